"""Models of torchvision's beside ours: see pytorch_models.cpp.

make NAME FOLDER    writes weights.pth, and example.pt with an input and the logits that come of it
check NAME FOLDER   reads weights.safetensors strictly, and compares with the logits in example.safetensors
"""

import json
import struct
import sys
from pathlib import Path

import torch
import torchvision
from torchvision.models.vision_transformer import ConvStemConfig, VisionTransformer


def build(name):
    if name.startswith("vit"):
        stem = [ConvStemConfig(12, 3, 4), ConvStemConfig(20, 3, 2)] if name == "vit_with_stem" else None
        return VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=48, mlp_dim=96,
                                 num_classes=7, conv_stem_configs=stem)
    return getattr(torchvision.models, name)(weights=None, num_classes=7)


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    types = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    tensors = {}
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in facts["data_offsets"])
        tensor = torch.frombuffer(bytearray(content[begin:end]), dtype=types[facts["dtype"]])
        tensors[name] = tensor.reshape(facts["shape"])
    return tensors


command, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
torch.manual_seed(1)
model = build(name).eval()

if command == "make":
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif key.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point() and (key.endswith("bias") or value.abs().max() == 0):
                value.normal_(0, 0.1)
        side = 32 if name.startswith("vit") else 64
        images = torch.randn(2, 3, side, side)
        torch.save(model.state_dict(), folder / "weights.pth")
        torch.save({"input": images, "output": model(images)}, folder / "example.pt")
else:
    model.load_state_dict(read_safetensors(folder / "weights.safetensors"), strict=True)
    example = read_safetensors(folder / "example.safetensors")
    with torch.no_grad():
        logits = model(example["input"])
    difference = ((logits - example["output"]).abs().max() / logits.abs().max()).item()
    print(f"{name}: PyTorch's logits differ from ours by {difference:.2g} of the largest")
    sys.exit(0 if difference < 1e-4 else 1)
