"""Runs every NAME.onnx of a folder in ONNX Runtime on the inputs of NAME.safetensors, and compares what comes out with
the outputs there. Tensors are named BATCH.INPUT and BATCH.OUTPUT. See onnx.cpp.
"""

import json
import struct
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    tensors = {}
    for name, facts in json.loads(content[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in facts["data_offsets"])
            tensors[name] = numpy.frombuffer(content[begin:end], dtype=numpy.float32).reshape(facts["shape"])
    return tensors


bad = 0
for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    tensors = read_safetensors(path.with_suffix(".safetensors"))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch in sorted({name.split(".")[0] for name in tensors}):
        feed = {known.name: tensors[f"{batch}.{known.name}"] for known in session.get_inputs()}
        names = [known.name for known in session.get_outputs()]
        for name, found in zip(names, session.run(names, feed)):
            expected = tensors[f"{batch}.{name}"]
            if found.shape != expected.shape:
                print(f"{path.stem}: {name} is {found.shape} instead of {expected.shape}")
                bad += 1
                continue
            # Outputs that are all the same would hide what is wrong before them, and no number is equal to NaN.
            if not numpy.ptp(expected) > 0:
                print(f"{path.stem}: {name} is the same everywhere")
                bad += 1
                continue
            largest = max(largest, float(numpy.nan_to_num(abs(found - expected).max() / numpy.ptp(expected), nan=1e9)))
    print(f"{path.stem}: {len(model.graph.node)} nodes, largest difference {largest:.2g} of the outputs' range")
    bad += not largest < 1e-4
sys.exit(min(bad, 1))
