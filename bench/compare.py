#!/usr/bin/env python3
"""Runs mien's benchmarks and the same work in other libraries, side by side, and prints one table in Markdown.

    bench/compare.py                                     everything in build/release
    bench/compare.py --list                              what there is
    bench/compare.py --only '^lstm' --threads 1 --json results.json
    bench/compare.py --python /usr/bin/python3 --python venv/bin/python

Peers, each where it is installed; what is missing is said at the end, with the reason:
  PyTorch       all work; the fastest of NCHW and channels last; eager, compiled (PyTorch 2), and for inference traced,
                frozen and optimised; ResNet-18, DenseNet-121 and the vision transformers are torchvision's
  ONNX Runtime, OpenVINO
                inference of whole models, exported by PyTorch
  oneDNN        convolutions alone: build/.../bench/peer_onednn, which is built where CMake finds oneDNN (Debian:
                libdnnl-dev); direct and Winograd, in its own layouts
`highest` and `high` are compared with float, `medium` with bfloat16: PyTorch's autocast, OpenVINO's and oneDNN's own.

Both sides take turns in processes of their own. In the first round every way of a peer is tried, in the others those
that came within a quarter of its best; a figure is the median of the rounds' medians. Peers get one OpenBLAS thread
(all of them, too, where products are most of the work), OpenBLAS's kernels for this processor where it does not know
it, and an allocator that keeps its memory, which alone saves PyTorch up to a third. Peak memory is what a process had
in use while the work went on; of a peer's, what its interpreter and libraries took before there was any work is not
counted.

The machine should have nothing else to do: OpenMP's threads wait by spinning, and collapse beside other programs.
"""

import argparse
import ctypes
import gc
import importlib
import inspect
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAMS = ["peak", "super_image_convolution", "convolution", "operations", "models"]
NAME = re.compile(r"(?P<work>.+)/cpu/(?P<precision>\w+)/(?P<shape>[\w.*]+)/threads:(?P<threads>\d+)$")
MODELS = ("sistcm_resnet18", "resnet18", "densenet121", "vit_small", "vit_b_16", "keypoint_mlp", "accm",
          "two_stream_lstm")
TORCHVISION_MODELS = ("resnet18", "densenet121", "vit_b_16")
KEYS = ("work", "shape", "precision", "threads", "mien_ms", "peer", "peer_ms", "ratio", "mien_peak_mib",
        "peer_peak_mib")
LIBRARIES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
ALL_OPENBLAS_THREADS = " with all OpenBLAS threads"
WORKER_SECONDS = 900  # after which a peer is given up


# --- the same networks as plain PyTorch would have them; only workers import PyTorch ----------------------------------


def torch_networks():
    import torch
    from torch import nn
    from torch.nn import functional

    class SuperImage(nn.Module):
        """Two super images, one kernel, softmax weights of the views; frames [B T, C, H, W]."""

        def __init__(self, channels, frames):
            super().__init__()
            self.frames = frames
            self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.fc = nn.Linear(2 * channels, 2 * channels)

        def forward(self, x):
            n, c, h, w = x.shape
            t = self.frames
            clips = x.view(n // t, t, c, h, w)
            tall = clips.permute(0, 2, 1, 3, 4).reshape(n // t, c, t * h, w)
            wide = clips.permute(0, 2, 3, 1, 4).reshape(n // t, c, h, t * w)
            tall, wide = self.conv(tall), self.conv(wide)
            means = torch.cat([tall.mean((2, 3)), wide.mean((2, 3))], 1)
            alpha = self.fc(means).view(n // t, 2, c).softmax(1)
            tall = tall.view(n // t, c, t, h, w).permute(0, 2, 1, 3, 4)
            wide = wide.view(n // t, c, h, t, w).permute(0, 3, 1, 2, 4)
            mixed = alpha[:, 0, None, :, None, None] * tall + alpha[:, 1, None, :, None, None] * wide
            return mixed.reshape(n, c, h, w)

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride, frames):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = SuperImage(outputs, frames)
            self.bn2 = nn.BatchNorm2d(outputs)
            same = stride == 1 and inputs == outputs
            self.downsample = (
                nn.Identity() if same
                else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)))

        def forward(self, x):
            y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
            return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x), inplace=True)

    class SistcmResNet18(nn.Module):
        """Over frames [B T, 3, H, W]."""

        def __init__(self, frames):
            super().__init__()
            self.frames = frames
            self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
                                      nn.MaxPool2d(3, 2, 1))
            blocks, inputs = [], 64
            for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
                blocks += [Block(inputs, outputs, stride, frames), Block(outputs, outputs, 1, frames)]
                inputs = outputs
            self.blocks = nn.Sequential(*blocks)
            self.dropout = nn.Dropout(0.5)
            self.fc = nn.Linear(512, 7)

        def forward(self, x):
            features = self.blocks(self.stem(x)).mean((2, 3))
            return self.fc(self.dropout(features.view(-1, self.frames, 512).mean(1)))

    def branch(joints, width):
        return nn.Sequential(nn.Conv2d(joints, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width),
                             nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, 1, 1, bias=False),
                             nn.BatchNorm2d(width), nn.ReLU(inplace=True))

    class Accm(nn.Module):
        def __init__(self, joints=25, width=128):
            super().__init__()
            self.mixed, self.attended = branch(joints, width), branch(joints, width)
            self.alone = nn.Conv2d(joints, joints, 3, 1, 1, groups=joints, bias=False)
            self.attention = nn.Linear(joints, joints)
            self.fc = nn.Linear(2 * width, 7)

        def forward(self, x):
            y = self.alone(x)
            y = y * torch.sigmoid(self.attention(y.mean((2, 3))))[:, :, None, None]
            return self.fc(torch.cat([self.mixed(x).mean((2, 3)), self.attended(y).mean((2, 3))], 1))

    class KeypointMlp(nn.Sequential):
        def __init__(self, joints):
            super().__init__(nn.Flatten(), nn.Linear(3 * joints, 512), nn.ReLU(inplace=True), nn.Linear(512, 256),
                             nn.ReLU(inplace=True), nn.Linear(256, 128), nn.ReLU(inplace=True), nn.Linear(128, 7))

    class TwoStreamLstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.emotions = nn.LSTM(512, 1024, batch_first=True), nn.LSTM(7, 512, batch_first=True)
            self.fc1, self.fc2 = nn.Linear(1024, 7), nn.Linear(512, 7)
            self.register_buffer("seen", torch.randn(8, 16, 7))

        def forward(self, x):
            return self.fc1(self.features(x)[1][0][-1]) + self.fc2(self.emotions(self.seen)[1][0][-1])

    class Lstm(nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.lstm = nn.LSTM(inputs, 128, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    class Product(nn.Module):
        """Of x and a matrix of its own, either of them transposed."""

        def __init__(self, transposed, rows, columns):
            super().__init__()
            self.transposed = transposed
            self.b = nn.Parameter(torch.randn(columns, rows) if transposed[1] == "t" else torch.randn(rows, columns))

        def forward(self, x):
            return (x.t() if self.transposed[0] == "t" else x) @ (self.b.t() if self.transposed[1] == "t" else self.b)

    return SuperImage, SistcmResNet18, Accm, KeypointMlp, TwoStreamLstm, Lstm, Product


def small_vit():
    """models::small_vit as torchvision would have it."""
    import torch
    from torchvision.models.vision_transformer import ConvStemConfig, VisionTransformer

    stem = [ConvStemConfig(32, 3, 2), ConvStemConfig(64, 3, 1), ConvStemConfig(128, 3, 3)]
    network = VisionTransformer(image_size=48, patch_size=6, num_layers=6, num_heads=4, hidden_dim=128, mlp_dim=256,
                                dropout=0.1, num_classes=7, conv_stem_configs=stem)
    network.conv_proj[0][0] = torch.nn.Conv2d(1, 32, 3, 2, 1, bias=False)
    return network


def torch_work(work, shape):
    """(network, input) for a name of ours, or None where there is no such thing."""
    import torch

    super_image, sistcm_resnet, accm, keypoint_mlp, two_stream, lstm, product = torch_networks()
    kind = work.split("/")[0]
    size, *weight = [[int(part) for part in sizes.split("x")] for sizes in shape.split("*")]

    def images(count, height, width, channels):
        return torch.randn(count, channels, height, width)

    if kind == "super_image_convolution":
        return super_image(size[4], size[1]), images(size[0] * size[1], *size[2:])
    if kind == "per_frame_convolution":
        return torch.nn.Conv2d(size[4], size[4], 3, padding=1, bias=False), images(size[0] * size[1], *size[2:])
    if kind == "convolution":
        kernel, _, inputs, outputs = weight[0]
        return (torch.nn.Conv2d(inputs, outputs, kernel, stride_of(work), kernel // 2, bias=False), images(*size))
    if kind == "sistcm_resnet18":
        return sistcm_resnet(size[1]), images(size[0] * size[1], *size[2:])
    if kind in TORCHVISION_MODELS:
        return getattr(importlib.import_module("torchvision.models"), kind)(num_classes=7), images(*size)
    if kind == "vit_small":
        return small_vit(), images(*size)
    if kind == "keypoint_mlp":
        return keypoint_mlp(size[1]), torch.randn(*size)
    if kind == "accm":
        return accm(), images(*size)
    if kind == "channel_wise_convolution":
        return torch.nn.Conv2d(size[3], size[3], 3, padding=1, groups=size[3], bias=False), images(*size)
    if kind == "two_stream_lstm":
        return two_stream(), torch.randn(*size)
    if kind == "lstm":
        return lstm(size[2]), torch.randn(*size)
    if kind.startswith("matrix_product_"):
        transposed, (m, n, k) = kind[-2:], size
        return product(transposed, k, n), torch.randn(*((k, m) if transposed[0] == "t" else (m, k)))
    return None


def stride_of(work):
    found = re.search(r"stride_(\d+)", work)
    return int(found.group(1)) if found else 1


# --- what peers can do ------------------------------------------------------------------------------------------------


def step_of(work):
    """A work of one step alone does not say which."""
    return work.rsplit("/", 1)[1] if "/" in work else "forward"


def torch_ways(work, threads, version):
    """Names of the ways to do a work with PyTorch; none where it is nothing that PyTorch is compared in."""
    kind, step = work.split("/")[0], step_of(work)
    compiles = int(version.split(".")[0]) >= 2
    known = ("super_image_convolution", "per_frame_convolution", "convolution", "channel_wise_convolution", "lstm",
             "matrix_product_nn", "matrix_product_nt", "matrix_product_tn") + MODELS
    gradients = ("input_gradient", "weight_gradient") if "convolution" in kind else ()
    if kind not in known or step not in ("forward", "inference", "training") + gradients:
        return []
    if "lstm" in kind or "matrix_product" in kind or kind == "keypoint_mlp":
        ways = ["eager", "frozen"] if step == "inference" else ["eager"]
        return ways + ["eager" + ALL_OPENBLAS_THREADS] if threads > 1 else ways
    ways = ["eager"]
    if not step.endswith("gradient"):
        if compiles:
            ways.append("compiled")
        if step == "inference":
            ways.append("frozen")
    return [f"{layout}, {way}" for layout in ("NCHW", "channels last") for way in ways]


def ways_of(peer, row, version):
    work, precision = row["work"], row["precision"]
    if peer == "torch":
        return torch_ways(work, row["threads"], version)
    whole_model = work.split("/")[0] in MODELS and step_of(work) == "inference"
    if peer == "onnxruntime":
        return ["float"] if whole_model and precision != "medium" else []
    if peer == "openvino":
        return ["bfloat16" if precision == "medium" else "float"] if whole_model else []
    convolution = work.split("/")[0] in ("per_frame_convolution", "convolution")
    if not convolution or step_of(work) not in ("forward", "training", "input_gradient", "weight_gradient"):
        return []
    has_winograd = kernel_of(row)[0] == 3 and stride_of(work) == 1 and precision != "medium"
    return ["direct", "Winograd"] if has_winograd else ["direct"]


def kernel_of(row):
    if "*" in row["shape"]:
        return [int(part) for part in row["shape"].split("*")[1].split("x")]
    channels = int(row["shape"].split("x")[-1])
    return [3, 3, channels, channels]


# --- workers: one way of one peer in a process of its own -------------------------------------------------------------


def status_kib(key):
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return int(re.search(key + r":\s+(\d+)", file.read()).group(1))
    except (OSError, AttributeError):
        return 0


def forget_peak():
    """What tracing and compiling took is no part of the work's memory."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except (OSError, AttributeError):
        pass  # another system or C library: the peak then includes them


def measure(run, seconds, libraries_kib):
    for _ in range(3):
        run()
    forget_peak()
    for _ in range(2):
        run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return {"ms": 1e3 * statistics.median(times), "peak_mib": max(0, status_kib("VmHWM") - libraries_kib) / 1024}


def torch_run(task):
    """A function that does the work once."""
    import torch
    from torch.nn import functional

    made = torch_work(task["work"], task["shape"])
    network, x = made
    layout, way = task["way"].split(", ") if ", " in task["way"] else ("", task["way"])
    half = task["precision"] == "medium"
    if layout:
        memory_format = torch.channels_last if layout == "channels last" else torch.contiguous_format
        network, x = network.to(memory_format=memory_format), x.to(memory_format=memory_format)
    step = step_of(task["work"])

    def autocast(**options):
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=half, **options)

    if step.endswith("gradient"):
        with torch.no_grad():
            upstream = torch.randn_like(network(x)).to(memory_format=memory_format)
        weight = network.weight.detach()
        if half:
            x, weight, upstream = x.bfloat16(), weight.bfloat16(), upstream.bfloat16()
        wanted = [step == "input_gradient", step == "weight_gradient", False]

        def run_gradient():
            torch.ops.aten.convolution_backward(upstream, x, weight, None, network.stride, network.padding, [1, 1],
                                                False, [0, 0], network.groups, wanted)

        return run_gradient

    if step in ("forward", "inference"):
        network.eval()
        if way == "frozen":
            with torch.no_grad(), autocast(cache_enabled=False):
                graph = torch.jit.freeze(torch.jit.trace(network, x))
                try:
                    network = torch.jit.optimize_for_inference(graph)
                    network(x)
                except RuntimeError:  # it knows float alone
                    network = graph
        elif way == "compiled":
            torch._inductor.config.freezing = True
            network = torch.compile(network)

        def infer():
            with torch.inference_mode() if way != "compiled" else torch.no_grad(), autocast():
                network(x)

        return infer

    network.train()
    called = torch.compile(network) if way == "compiled" else network
    if task["work"].split("/")[0] in MODELS:
        fused = {"fused": True} if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 4) else {}
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, **fused)

        def train():
            optimiser.zero_grad()
            with autocast():
                y = called(x)
                loss = functional.cross_entropy(y, torch.ones(y.shape[0], dtype=torch.long))
            loss.backward()
            optimiser.step()

        return train
    x.requires_grad_()
    with torch.no_grad(), autocast():
        upstream = torch.randn_like(network(x))

    def train_alone():
        x.grad = None
        network.zero_grad()
        with autocast():
            y = called(x)
        y.backward(upstream)

    return train_alone


def exported(task):
    """The model as ONNX, and its input."""
    import torch

    network, x = torch_work(task["work"], task["shape"])
    network.eval()
    out = io.BytesIO()
    options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with torch.no_grad():
        torch.onnx.export(network, x, out, opset_version=16, input_names=["x"], output_names=["y"], **options)
    return out.getvalue(), x.numpy()


def onnxruntime_run(task):
    import onnxruntime

    model, x = exported(task)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = task["threads"], 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})


def openvino_run(task):
    import openvino

    model, x = exported(task)
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": task["threads"], "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "bf16" if task["way"] == "bfloat16" else "f32"})
    request = compiled.create_infer_request()
    tensor = openvino.Tensor(x, shared_memory=True)
    return lambda: request.infer({0: tensor})


def product_ms():
    """For choosing OpenBLAS's kernels: a large product and one of an LSTM's step."""
    import torch

    total = 0
    for rows, inner, columns in ((512, 512, 512), (8, 128, 512)):
        a, b = torch.randn(rows, inner), torch.randn(columns, inner).t()
        times = []
        for _ in range(60):
            begin = time.perf_counter()
            a @ b
            times.append(time.perf_counter() - begin)
        total += min(times)
    return 1e3 * total


def worker(task):
    if "find" in task:
        try:
            module = importlib.import_module(task["find"])
        except Exception as error:  # whatever a broken installation raises
            return {"missing": str(error).split("\n")[0]}
        return {"version": module.__version__.split("+")[0].split("-")[0]}
    import torch

    torch.set_num_threads(task["threads"])
    if "product" in task:
        product = product_ms()
        with open("/proc/self/maps", encoding="ascii", errors="replace") as file:
            return {"ms": product, "openblas": "openblas" in file.read()}
    torch.manual_seed(1)
    importlib.import_module(task["peer"])
    if task["work"].split("/")[0] in TORCHVISION_MODELS:
        importlib.import_module("torchvision")
    libraries_kib = status_kib("VmRSS")
    run = {"torch": torch_run, "onnxruntime": onnxruntime_run, "openvino": openvino_run}[task["peer"]](task)
    return measure(run, task["seconds"], libraries_kib)


# --- both sides -------------------------------------------------------------------------------------------------------


class PeerFailed(Exception):
    pass


def run_json(command, environment):
    """What a peer's process prints as its last line."""
    try:
        out = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment},
                             timeout=WORKER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"took longer than {WORKER_SECONDS} s") from None
    except OSError as error:
        raise PeerFailed(str(error)) from None
    if out.returncode != 0:
        lines = out.stderr.strip().split("\n")
        raise PeerFailed(lines[-1][:300] if lines[-1] else f"ended with code {out.returncode}")
    return json.loads(out.stdout.strip().split("\n")[-1])


class PythonPeer:
    """A library in an interpreter."""

    def __init__(self, python, library, version, environment):
        self.python, self.library, self.version, self.environment = python, library, version, environment
        self.name = f"{LIBRARIES[library]} {version}"

    def ways(self, row):
        return ways_of(self.library, row, self.version)

    def run(self, row, way, seconds):
        task = {"peer": self.library, "way": way, "seconds": seconds,
                **{key: row[key] for key in ("work", "shape", "precision", "threads")}}
        environment = {**thread_environment(row["threads"]), **self.environment}
        if way.endswith(ALL_OPENBLAS_THREADS):
            environment["OPENBLAS_NUM_THREADS"] = str(row["threads"])
        return run_json([self.python, __file__, "--worker", json.dumps(task)], environment)


class OneDnnPeer:
    def __init__(self, program):
        self.program, self.name = program, "oneDNN"

    def ways(self, row):
        return ways_of("onednn", row, "")

    def run(self, row, way, seconds):
        size = row["shape"].split("*")[0].split("x")
        if len(size) == 5:
            size = [str(int(size[0]) * int(size[1]))] + size[2:]
        kernel = kernel_of(row)
        command = [self.program, "x".join(size), "x".join(map(str, kernel)), "--stride", str(stride_of(row["work"])),
                   "--padding", str(kernel[0] // 2), "--step", step_of(row["work"]), "--precision",
                   "medium" if row["precision"] == "medium" else "highest", "--algorithm", way.lower(), "--seconds",
                   str(seconds)]
        return run_json(command, thread_environment(row["threads"]))


def thread_environment(threads):
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1",
            "GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=8589934592"}


def openblas_environment(python, notes):
    """Versions of OpenBLAS older than the processor fall back to kernels without any of its vectors."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = file.read().split()
    except OSError:
        return {}

    def product(environment):
        command = [python, __file__, "--worker", json.dumps({"product": True, "threads": 1})]
        return run_json(command, {**thread_environment(1), **environment})

    cores = {"Haswell": "avx2", "SkylakeX": "avx512f", "SapphireRapids": "avx512_bf16"}
    try:
        own_choice = product({})
        if not own_choice["openblas"]:
            return {}
        times = {core: product({"OPENBLAS_CORETYPE": core})["ms"] for core, flag in cores.items() if flag in flags}
    except PeerFailed:
        return {}
    core = min(times, key=times.get, default=None)
    if core is None or times[core] > 0.8 * own_choice["ms"]:
        return {}
    notes.append(f"OpenBLAS of {python} does not know this processor; OPENBLAS_CORETYPE={core}")
    return {"OPENBLAS_CORETYPE": core}


def find_peers(pythons, bench_folder, notes):
    peers = []
    for python in pythons:
        found = {}
        for library, title in LIBRARIES.items():
            try:
                answer = run_json([python, __file__, "--worker", json.dumps({"find": library})], {})
            except PeerFailed as failure:
                answer = {"missing": str(failure)}
            if "missing" in answer:
                notes.append(f"missing: {title} in {python}: {answer['missing']}")
            elif library != "torch" and "torch" not in found:
                notes.append(f"missing: {title} in {python}: there is no PyTorch to export models")
            else:
                found[library] = answer["version"]
        environment = openblas_environment(python, notes) if "torch" in found else {}
        peers += [PythonPeer(python, library, version, environment) for library, version in found.items()]
    onednn = os.path.join(bench_folder, "peer_onednn")
    if os.path.exists(onednn):
        peers.append(OneDnnPeer(onednn))
    else:
        notes.append(f"missing: oneDNN: {onednn} was not built, because CMake found no oneDNN (Debian: libdnnl-dev)")
    return peers


def listed(program):
    """The benchmarks of a program: name of its own -> what it measures."""
    lines = subprocess.run([program, "--benchmark_list_tests"], capture_output=True, text=True, check=True).stdout
    out = {}
    for line in lines.split("\n"):
        found = NAME.match(re.sub(r"/real_time$", "", line))
        if found:
            out[line] = {**found.groupdict(), "threads": int(found["threads"])}
    return out


def run_ours(program, name, seconds):
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.run(
            [program, f"--benchmark_filter=^{re.escape(name)}$", f"--benchmark_min_time={seconds}",
             "--benchmark_format=json"], stdout=out, stderr=subprocess.PIPE, text=True, check=False)
        if process.returncode != 0:
            sys.exit(f"compare.py: {program} failed on {name} with code {process.returncode}:\n"
                     f"{process.stderr[-1000:]}")
        out.seek(0)
        result = json.load(out)["benchmarks"][0]
        return {"ms": result["median_ms"], "peak_mib": result["peak_MiB"]}


def median_of(results, key):
    return statistics.median(result[key] for result in results)


def compare(program, name, row, peers, options, notes):
    """Rows of one work, one a peer: medians over rounds in which all take turns."""
    ours, theirs = [], {}
    ways = [(peer, way) for peer in peers for way in peer.ways(row) if options.ways.search(f"{peer.name}, {way}")]
    for turn in range(options.rounds):
        ours.append(run_ours(program, name, options.seconds))
        for peer, way in list(ways):
            try:
                theirs.setdefault((peer, way), []).append(peer.run(row, way, options.seconds))
            except PeerFailed as failure:
                # No Winograd for bfloat16, no compiler for Python: what is left is what this peer can do.
                note = f"failed: {peer.name}, {way}, {row['precision']}, {row['work']}: {failure}"
                if note not in notes:
                    notes.append(note)
                ways.remove((peer, way))
                theirs.pop((peer, way), None)
        if turn == 0:
            best = {peer: min(theirs[one][0]["ms"] for one in theirs if one[0] is peer)
                    for peer in peers if any(one[0] is peer for one in theirs)}
            ways = [one for one in ways if theirs[one][0]["ms"] <= 1.25 * best[one[0]]]
    row = {**row, "mien_ms": median_of(ours, "ms"), "mien_peak_mib": median_of(ours, "peak_mib")}
    rows = []
    for peer in peers:
        medians = {way: median_of(theirs[peer, way], "ms") for other, way in ways if other is peer}
        if not medians:
            continue
        way = min(medians, key=medians.get)
        rows.append({**row, "peer": f"{peer.name}, {way}", "peer_ms": medians[way],
                     "ratio": medians[way] / row["mien_ms"],
                     "peer_peak_mib": median_of(theirs[peer, way], "peak_mib")})
    if not rows:
        rows = [{**row, "peer": None, "peer_ms": None, "ratio": None, "peer_peak_mib": None}]
    rows.sort(key=lambda one: one["peer_ms"] or 0)
    return [{key: one[key] for key in KEYS} for one in rows]


def table_line(row):
    peer = "| - | - | - |"
    if row["peer"]:
        peer = f"| {row['peer_ms']:.2f} | {row['ratio']:.2f} | {row['peer']} |"
    memory = f"{row['peer_peak_mib']:.0f}" if row["peer"] else "-"
    return (f"| {row['work']} | {row['shape']} | {row['precision']} | {row['threads']} | {row['mien_ms']:.2f} {peer} "
            f"{row['mien_peak_mib']:.0f} | {memory} |")


def write_json(path, rows):
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")
    os.replace(path + ".part", path)


def positive(kind):
    def read(text):
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value

    read.__name__ = f"positive {kind.__name__}"
    return read


def expression(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"`{text}` is no regular expression: {error}") from None


def arguments():
    title, words = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(description=title, epilog=words, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", metavar="FOLDER", default="build/release",
                        help="CMake's build folder (default: build/release)")
    parser.add_argument("--only", metavar="REGEX", type=expression, default=expression(""),
                        help="work/cpu/precision/shape/threads:N has to contain this")
    parser.add_argument("--threads", metavar="N", type=positive(int),
                        help="with this number of threads alone; what there is: 1 and all of the machine's")
    parser.add_argument("--ways", metavar="REGEX", type=expression, default=expression(""),
                        help="a peer's name and way has to contain this, as in `PyTorch 2.1.0, NCHW, compiled`")
    parser.add_argument("--list", action="store_true", help="prints what would be run, and runs nothing")
    parser.add_argument("--json", metavar="FILE",
                        help="a row for each work and peer, renewed after each work; keys: " + ", ".join(KEYS))
    parser.add_argument("--rounds", metavar="N", type=positive(int), default=3, help="turns of each side (default: 3)")
    parser.add_argument("--seconds", metavar="S", type=positive(float), default=0.5,
                        help="of measuring in a turn (default: 0.5)")
    parser.add_argument("--python", metavar="INTERPRETER", action="append",
                        help="whose PyTorch, ONNX Runtime and OpenVINO are peers; may be given several times (default: "
                             "the one that runs this)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser, parser.parse_args()


def main():
    parser, options = arguments()
    if options.worker:
        print(json.dumps(worker(json.loads(options.worker))))
        return
    folder = os.path.join(options.build, "bench")
    wanted = []
    for program in PROGRAMS:
        path = os.path.join(folder, program)
        if not os.path.exists(path):
            parser.error(f"{path} is not there: build the benchmarks first (cmake --preset release && "
                         "cmake --build build/release)")
        wanted += [(path, name, row) for name, row in listed(path).items()
                   if options.only.search(name) and options.threads in (None, row["threads"])]
    if not wanted:
        parser.error("no benchmark has such a name and number of threads; --list tells what there is")
    if options.list:
        print("\n".join(re.sub(r"/real_time$", "", name) for _, name, _ in wanted))
        return

    notes = [f"tried no way but those that contain {options.ways.pattern}"] if options.ways.pattern else []
    peers = find_peers(options.python or [sys.executable], folder, notes)
    for note in notes:
        print(note, file=sys.stderr)
    rows = []
    print("| work | shape | precision | threads | mien, ms | peer, ms | ratio | best peer | mien, MiB | peer, MiB |\n"
          "|---|---|---|---|---|---|---|---|---|---|")
    for path, name, row in wanted:
        rows += (found := compare(path, name, row, peers, options, notes))
        print(table_line(found[0]), flush=True)
        if options.json:
            write_json(options.json, rows)
    print("\nPeers: " + (", ".join(peer.name for peer in peers) or "none"))
    for note in notes:
        print("- " + note)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
