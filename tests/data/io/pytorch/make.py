"""Writes this folder's files with PyTorch: python3 make.py FOLDER"""

import collections
import sys
import zipfile
from pathlib import Path

import torch

folder = Path(sys.argv[1])


def numbers(*shape):
    count = 1
    for extent in shape:
        count *= extent
    return (torch.arange(count, dtype=torch.float32) * 0.5 - 3).reshape(shape)


# A training script's checkpoint: a module's state_dict, which carries attributes, beside other things.
network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, bias=False), torch.nn.BatchNorm2d(3))
with torch.no_grad():
    network[0].weight.copy_(numbers(3, 2, 3, 3))
    network[1].running_var.copy_(numbers(3) + 4)
torch.save({"state_dict": network.state_dict(), "epoch": 3, "best": 0.625, "done": True, "name": "tiny", "nothing": None,
            "sizes": [1, (2, -70000)]}, folder / "checkpoint.pth")

# Views, shared storages, parameters, and every type.
base = numbers(4, 5)
tensors = collections.OrderedDict()
tensors["transposed"] = base.t()
tensors["part"] = base[1:3, ::2]
tensors["row"] = base[2]
tensors["spread"] = base[:1, :1].expand(3, 2)
tensors["scalar"] = torch.tensor(7.5)
tensors["empty"] = torch.zeros(0, 3)
tensors["parameter"] = torch.nn.Parameter(numbers(3))
for name in ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8"]:
    tensors[name] = torch.tensor([-2, 0, 5]).to(getattr(torch, name))
tensors["uint8"] = torch.tensor([0, 200], dtype=torch.uint8)
tensors["bool"] = torch.tensor([True, False])
torch.save(tensors, folder / "tensors.pt")

torch.save({"weight": numbers(2, 3)}, folder / "old.pth", _use_new_zipfile_serialization=False)
torch.jit.script(torch.nn.Linear(1, 1)).save(str(folder / "script.pt"))


class Call:
    def __reduce__(self):
        import os
        return os.system, ("echo this must never be seen",)


torch.save({"weight": numbers(2), "bad": Call()}, folder / "calls.pt")

# What other zip programs make of an archive.
with zipfile.ZipFile(folder / "checkpoint.pth") as source, \
        zipfile.ZipFile(folder / "deflated.pth", "w", zipfile.ZIP_DEFLATED) as target:
    for record in source.namelist():
        target.writestr(zipfile.ZipInfo(record), source.read(record), zipfile.ZIP_DEFLATED)
