#!/usr/bin/env python3
"""Measures in PyTorch what bench/gpu_operations has measured, on the same GPU, and prints one table in Markdown.

    build/gpu/bench/gpu_operations --benchmark_out=ours.json --benchmark_out_format=json
    bench/compare_gpu.py ours.json --json both.json --markdown both.md
    bench/compare_gpu.py ours.json --only 'sistcm.*bfloat16' --no-compiled

The same shapes and the same numbers: `tf32` is float with products of TF32 on both sides; `bfloat16` is maps of
bfloat16 beside parameters in float, PyTorch's autocast with input in bfloat16; `float32` is float. All maps are
channels last. Eager, and compiled by torch.compile; works that end in _graph are a CUDA graph on both sides, captured
around eager PyTorch, or by torch.compile's mode reduce-overhead. LSTMs are cuDNN's, Adam is fused, cuDNN chooses its
algorithms by trial.

Times are the GPU's own, between two events, each after twice the L2 cache was overwritten, as gpu_operations does it:
medians. All that is eager comes first; what is not compiled when --seconds are over is named and left out, as is what
fails. `ratio` is the fastest of PyTorch's over ours.
"""

import argparse
import gc
import json
import os
import re
import signal
import statistics
import sys
import time

NAME = re.compile(r"(?P<work>[\w/]+)/cuda/(?P<numbers>\w+)/(?P<shape>[\w*]+)/iterations:\d+/manual_time$")
FIRST_CALLS = 5
LONG_MS = 3  # of calls that take longer, fewer are measured
# What torch.compile is asked for, in this order, since it takes long; and what else is printed without --all.
COMPILED = ("sistcm_resnet18", "super_image_convolution", "accm", "view_fusion", "joint_attention", "scale_channels",
            "channel_wise_convolution")
PRINTED = COMPILED + ("copy", "lstm", "adam")


# --- the same work as plain PyTorch would have it ---------------------------------------------------------------------


def networks():
    import torch
    from torch import nn
    from torch.nn import functional

    class ViewFusion(nn.Module):
        """Convolved super images [B, C, T H, W] and [B, C, H, T W], weighed by softmax, as frames [B T, C, H, W]."""

        def __init__(self, channels, frames):
            super().__init__()
            self.frames = frames
            self.fc = nn.Linear(2 * channels, 2 * channels)

        def forward(self, tall, wide):
            b, c, height, w = tall.shape
            t, h = self.frames, height // self.frames
            alpha = self.fc(torch.cat([tall.mean((2, 3)), wide.mean((2, 3))], 1)).view(b, 2, c).softmax(1)
            # In float, as softmax is under autocast, alpha would make the whole map float.
            alpha = alpha.to(tall.dtype)[:, :, None, None, None]
            tall = tall.permute(0, 2, 3, 1).reshape(b, t, h, w, c)
            wide = wide.permute(0, 2, 3, 1).reshape(b, h, t, w, c).transpose(1, 2)
            mixed = alpha[:, 0] * tall + alpha[:, 1] * wide
            return mixed.reshape(b * t, h, w, c).permute(0, 3, 1, 2)

    class SuperImage(nn.Module):
        """Frames [B T, C, H, W]. Channels last, the tall super image is the frames themselves, the wide one a copy."""

        def __init__(self, channels, frames):
            super().__init__()
            self.frames = frames
            self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.fusion = ViewFusion(channels, frames)

        def forward(self, x):
            n, c, h, w = x.shape
            t, b = self.frames, n // self.frames
            clips = x.permute(0, 2, 3, 1).reshape(b, t, h, w, c)
            tall = clips.reshape(b, t * h, w, c).permute(0, 3, 1, 2)
            wide = clips.transpose(1, 2).reshape(b, h, t * w, c).permute(0, 3, 1, 2)
            return self.fusion(self.conv(tall), self.conv(wide))

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride, frames):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = SuperImage(outputs, frames) if frames else nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            same = stride == 1 and inputs == outputs
            self.downsample = nn.Identity() if same else nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
            return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x), inplace=True)

    class ResNet18(nn.Module):
        """Clips as frames [B T, 3, H, W] to logits [B, 7]; with super images over T = `frames`, or none for 0."""

        def __init__(self, frames):
            super().__init__()
            self.frames = max(frames, 1)
            self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64),
                                      nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
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

    class JointAttention(nn.Module):
        def __init__(self, joints):
            super().__init__()
            self.fc = nn.Linear(joints, joints)

        def forward(self, x):
            return x * torch.sigmoid(self.fc(x.mean((2, 3))))[:, :, None, None].to(x.dtype)

    class Accm(nn.Module):
        def __init__(self, joints=25, width=128):
            super().__init__()
            self.mixed, self.attended = self.branch(joints, width), self.branch(joints, width)
            self.alone = nn.Conv2d(joints, joints, 3, 1, 1, groups=joints, bias=False)
            self.attention = JointAttention(joints)
            self.dropout = nn.Dropout(0.5)
            self.fc = nn.Linear(2 * width, 7)

        @staticmethod
        def branch(joints, width):
            return nn.Sequential(nn.Conv2d(joints, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width),
                                 nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, 1, 1, bias=False),
                                 nn.BatchNorm2d(width), nn.ReLU(inplace=True))

        def forward(self, x):
            y = self.attended(self.attention(self.alone(x)))
            return self.fc(self.dropout(torch.cat([self.mixed(x).mean((2, 3)), y.mean((2, 3))], 1)))

    class Lstm(nn.Module):
        def __init__(self, inputs, hidden):
            super().__init__()
            self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    class ScaleChannels(nn.Module):
        def __init__(self, batch, channels):
            super().__init__()
            self.register_buffer("weights", torch.randn(batch, channels))

        def forward(self, x):
            return x * self.weights[:, :, None, None].to(x.dtype)

    class Relu(nn.Module):
        def forward(self, x):
            return functional.relu(x)

    class ChannelMoments(nn.Module):
        def forward(self, x):
            return torch.var_mean(x, (0, 2, 3), correction=0)

    class BatchNormResidualRelu(nn.Module):
        """With given moments, as in evaluation."""

        def __init__(self, channels):
            super().__init__()
            self.norm = nn.BatchNorm2d(channels).eval()

        def forward(self, x):
            return functional.relu(self.norm(x) + x)

    return argparse.Namespace(**{key: value for key, value in locals().items() if isinstance(value, type)})


class Device:
    """The GPU, and how to measure on it."""

    def __init__(self):
        import torch

        self.torch = torch
        self.name = torch.cuda.get_device_name()
        # The same as gpu_operations: twice what fits.
        cache = torch.cuda.get_device_properties(0).L2_cache_size
        self.other = torch.empty(2 * cache // 4, dtype=torch.float32, device="cuda")

    def times(self, run, calls):
        """Milliseconds of every call."""
        cuda = self.torch.cuda
        times = []
        for _ in range(calls):
            begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
            self.other.fill_(1)
            begin.record()
            run()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end))
        return times

    def measure(self, run):
        first = self.times(run, FIRST_CALLS)
        self.torch.cuda.reset_peak_memory_stats()
        times = self.times(run, 20 if first[-1] > LONG_MS else 50)
        taken = self.torch.cuda.max_memory_allocated() - self.other.numel() * 4
        return {"ms": statistics.median(times), "peak_mib": taken / 2**20}

    def forget(self):
        self.torch.compiler.reset()
        gc.collect()
        self.torch.cuda.empty_cache()


def captured(torch, run):
    """`run` as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # what is done once must not be captured
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        run()
    return graph.replay


class Work:
    """A row of ours in PyTorch. `run(way)` is a function that does it once, for "eager" or "compiled"."""

    def __init__(self, torch, row, device="cuda"):
        self.torch, self.device = torch, device
        self.kind, self.step = row["work"].split("/")
        self.graph = self.step.endswith("_graph")
        self.step = self.step.removesuffix("_graph")
        self.half = row["numbers"] == "bfloat16"
        self.size, *self.weight = [[int(part) for part in sizes.split("x")] for sizes in row["shape"].split("*")]

    def maps(self, count, height, width, channels):
        """Random maps [N, C, H, W], channels last."""
        dtype = self.torch.bfloat16 if self.half else self.torch.float32
        x = self.torch.randn(count, height, width, channels, device=self.device).to(dtype)
        return x.permute(0, 3, 1, 2)

    def network(self):
        """(module, inputs), or None where PyTorch has no such thing."""
        torch, n, size = self.torch, networks(), self.size
        if self.kind == "super_image_convolution":
            return n.SuperImage(size[4], size[1]), [self.maps(size[0] * size[1], *size[2:])]
        if self.kind == "view_fusion":
            b, t, h, w, c = size
            return n.ViewFusion(c, t), [self.maps(b, t * h, w, c), self.maps(b, h, t * w, c)]
        if self.kind == "sistcm_resnet18":
            return n.ResNet18(size[1]), [self.maps(size[0] * size[1], *size[2:])]
        if self.kind == "accm":
            return n.Accm(), [self.maps(*size)]
        if self.kind == "lstm":
            return n.Lstm(size[2], self.weight[0][0]), [torch.randn(*size, device=self.device)]
        if self.kind == "linear":
            return torch.nn.Linear(size[1], self.weight[0][0], bias=False), [torch.randn(*size, device=self.device)]
        if self.kind == "max_pool":
            return torch.nn.MaxPool2d(2, 2), [self.maps(*size)]
        c = size[-1]
        layers = {
            "channel_wise_convolution": lambda: torch.nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False),
            "convolution": lambda: torch.nn.Conv2d(c, c, 3, padding=1, bias=False),
            "joint_attention": lambda: n.JointAttention(c),
            "scale_channels": lambda: n.ScaleChannels(size[0], c),
            "relu": n.Relu,
            "channel_moments": n.ChannelMoments,
            "batch_norm_residual_relu": lambda: n.BatchNormResidualRelu(c),
        }
        return (layers[self.kind](), [self.maps(*size)]) if self.kind in layers else None

    def autocast(self):
        return self.torch.autocast(self.device, dtype=self.torch.bfloat16, enabled=self.half)

    def run(self, way):
        if self.kind == "copy":
            source = self.torch.ones(self.size[0], device=self.device)
            target = self.torch.empty_like(source)
            return lambda: target.copy_(source)
        if self.kind == "adam":
            return self.adam()
        made = self.network()
        if made is None:
            return None
        module, inputs = made
        module = module.to(self.device, memory_format=self.torch.channels_last)
        if self.step.endswith("gradient"):
            return self.gradient(module, inputs[0])
        called = module
        if way == "compiled":
            mode = "reduce-overhead" if self.graph else "default"
            import torch._inductor.config

            torch._inductor.config.freezing = self.step == "inference"
            called = self.torch.compile(module, dynamic=False, mode=mode)
        run = {"forward": self.inference, "inference": self.inference, "training": self.training}[self.step]
        return run(module, called, inputs, self.graph and way == "eager")

    def inference(self, module, called, inputs, capture):
        torch = self.torch
        if self.step == "inference":
            module.eval()
            # Autocast casts weights anew in every call without gradients; frozen networks of ours keep them so.
            for layer in module.modules():
                if self.half and isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
                    layer.to(torch.bfloat16)

        def infer():
            with torch.no_grad(), self.autocast():
                called(*inputs)

        return captured(torch, infer) if capture else infer

    def training(self, module, called, inputs, capture):
        if self.kind not in ("sistcm_resnet18", "accm"):
            return self.layer_training(module, called, inputs)
        torch = self.torch
        optimiser = torch.optim.Adam(module.parameters(), lr=1e-4, fused=self.device == "cuda", capturable=capture)
        labels = torch.ones(self.size[0], dtype=torch.long, device=self.device)

        def train():
            optimiser.zero_grad()
            with self.autocast():
                loss = torch.nn.functional.cross_entropy(called(*inputs), labels)
            loss.backward()
            optimiser.step()

        return captured(torch, train) if capture else train

    def layer_training(self, module, called, inputs):
        torch = self.torch
        for x in inputs:
            x.requires_grad_()
        with torch.no_grad(), self.autocast():
            upstream = torch.randn_like(module(*inputs))

        def train():
            module.zero_grad()
            for x in inputs:
                x.grad = None
            with self.autocast():
                y = called(*inputs)
            y.backward(upstream)

        return train

    def gradient(self, module, x):
        """Of a convolution, for its input or its weight. In 16 bits the weight is cast in every call, as autocast does
        in every step, and its gradient back."""
        torch = self.torch
        weight = module.weight.detach()
        upstream = torch.randn_like(x)
        of_input = self.step == "input_gradient"

        def run():
            dx, dw, _ = torch.ops.aten.convolution_backward(
                upstream, x, weight.to(x.dtype), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1,
                [of_input, not of_input, False])
            return dx if of_input else dw.float()

        return run

    def adam(self):
        torch = self.torch
        network = networks().ResNet18(0).to(self.device)
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=self.device == "cuda")
        return optimiser.step


# --- both sides -------------------------------------------------------------------------------------------------------


def read_ours(path, only):
    """Rows of gpu_operations, in its order, and what it could not measure."""
    with open(path, encoding="utf-8") as file:
        benchmarks = json.load(file)["benchmarks"]
    rows, notes = [], []
    for one in benchmarks:
        found = NAME.match(one["name"])
        if not found or not only.search(one["name"]):
            continue
        row = found.groupdict()
        if one.get("error_occurred"):
            notes.append(f"failed: mien, {title(row)}: {one.get('error_message', '')}")
            continue
        row.update(mien_ms=one["median_ms"], mien_spread=one["spread"], flops=one["flops"], bytes=one["bytes"],
                   of_copy=one["of_copy"], mien_peak_mib=one["peak_MiB"], allocations=one["allocations"],
                   eager_ms=None, eager_peak_mib=None, compiled_ms=None, ratio=None)
        rows.append(row)
    return rows, notes


def kind_of(row):
    return row["work"].split("/")[0]


def title(row):
    return f"{row['work']}, {row['numbers']}, {row['shape']}"


def set_precision(torch, row):
    """For the works of float; autocast has its own."""
    exact = row["numbers"] == "float32"
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact


class TimeIsOver(Exception):
    pass


def stop_measuring(*_):
    raise TimeIsOver("the time was over")


def measure_way(device, row, way, end, notes):
    if time.monotonic() >= end:
        notes.append(f"not measured: PyTorch {way}, {title(row)}: the time was over")
        return
    torch = device.torch
    set_precision(torch, row)
    try:
        # A compilation may take longer than all that is left.
        signal.setitimer(signal.ITIMER_REAL, max(end - time.monotonic(), 0.001))
        run = Work(torch, row).run(way)
        if run is None:
            notes.append(f"not measured: {title(row)}: no counterpart in PyTorch")
            return
        result = device.measure(run)
        row[f"{way}_ms"] = result["ms"]
        if way == "eager":
            row["eager_peak_mib"] = result["peak_mib"]
    except Exception as error:  # of memory, of the compiler, of a shape: the other works can still be measured
        reason = str(error).strip() or type(error).__name__
        notes.append(f"failed: PyTorch {way}, {title(row)}: {reason.splitlines()[0][:200]}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        run = None
        device.forget()


def measure_all(device, rows, options, notes):
    end = time.monotonic() + options.seconds
    signal.signal(signal.SIGALRM, stop_measuring)
    for row in rows:
        measure_way(device, row, "eager", end, notes)
    compiled = [row for row in rows if options.compiled and kind_of(row) in COMPILED]
    for row in sorted(compiled, key=lambda row: (COMPILED.index(kind_of(row)), row["numbers"])):
        measure_way(device, row, "compiled", end, notes)
    for row in rows:
        theirs = [row[key] for key in ("eager_ms", "compiled_ms") if row[key] is not None]
        row["ratio"] = min(theirs) / row["mien_ms"] if theirs else None


def table(rows):
    lines = ["| work | numbers | shape | mien, ms | PyTorch eager, ms | compiled, ms | ratio | of a copy's bandwidth | "
             "Tflop/s | MiB, mien / eager |", "|" + "---|" * 10]

    def number(value, form):
        return "-" if value is None else form.format(value)

    for row in rows:
        rate = row["flops"] / row["mien_ms"] / 1e9
        # A graph works in memory of its own, which mien's counters leave out.
        mien_peak = None if row["work"].endswith("_graph") else row["mien_peak_mib"]
        lines.append(
            f"| {row['work']} | {row['numbers']} | {row['shape']} | {row['mien_ms']:.4f} | "
            f"{number(row['eager_ms'], '{:.4f}')} | {number(row['compiled_ms'], '{:.4f}')} | "
            f"{number(row['ratio'], '{:.2f}')} | {row['of_copy']:.2f} | {number(rate or None, '{:.1f}')} | "
            f"{number(mien_peak, '{:.0f}')} / {number(row['eager_peak_mib'], '{:.0f}')} |")
    return "\n".join(lines) + "\n"


def write(path, text):
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def expression(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"`{text}` is no regular expression: {error}") from None


def arguments():
    summary, words = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(description=summary, epilog=words, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", metavar="FILE", help="what gpu_operations wrote by --benchmark_out")
    parser.add_argument("--only", metavar="REGEX", type=expression, default=expression(""),
                        help="work/cuda/numbers/shape has to contain this")
    parser.add_argument("--seconds", metavar="S", type=float, default=600, help="for all of it (default: 600)")
    parser.add_argument("--no-compiled", dest="compiled", action="store_false", help="leaves torch.compile out")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there as well")
    parser.add_argument("--markdown", metavar="FILE", help="writes the table there as well")
    parser.add_argument("--all", action="store_true", help="prints every row, not those alone that the method is about")
    return parser.parse_args()


def main():
    options = arguments()
    try:
        rows, notes = read_ours(options.ours, options.only)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"compare_gpu.py: {options.ours}: {error}")
    if not rows:
        sys.exit(f"compare_gpu.py: {options.ours} has no such work")
    try:
        import torch
    except ImportError as error:
        sys.exit(f"compare_gpu.py: PyTorch is missing in {sys.executable}: {error}")
    if not torch.cuda.is_available():
        sys.exit(f"compare_gpu.py: PyTorch {torch.__version__} finds no GPU")

    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    device = Device()
    measure_all(device, rows, options, notes)

    heading = f"{device.name}, PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}\n"
    ending = "".join(f"\n{note}" for note in notes) + ("\n" if notes else "")
    if options.json:
        write(options.json, json.dumps({"device": heading.strip(), "rows": rows, "notes": notes}, indent=1) + "\n")
    if options.markdown:
        write(options.markdown, f"{heading}\n{table(rows)}{ending}")
    shown = [row for row in rows if options.all or kind_of(row) in PRINTED]
    print(f"{heading}\n{table(shown)}{ending}", end="")
    if all(row["ratio"] is None for row in rows):
        sys.exit("compare_gpu.py: nothing could be measured in PyTorch")


if __name__ == "__main__":
    main()
