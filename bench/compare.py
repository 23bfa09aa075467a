#!/usr/bin/env python3
"""Runs mien's benchmarks and the same work in other libraries, side by side, and prints one table.

    bench/compare.py --build build/release                       everything, a Markdown table on standard output
    bench/compare.py --build build/release --list                what there is
    bench/compare.py --build build/release --only lstm --json results.json

Both sides are timed in the same run, in turns, each turn in a process of its own; a figure is the median of the turns'
medians. PyTorch gets its best layout (the faster of NCHW and channels last), the fastest of eager and, for inference,
a traced, frozen and optimised graph, one OpenBLAS thread beside its own, and a memory allocator that does not give pages
back, which alone saves it up to a third. Needs Python 3.9, and PyTorch with OpenBLAS (Debian: python3-torch and
libopenblas0-pthread) for something to compare with. What is not installed is said and left out.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAMS = ["peak", "super_image_convolution", "models", "operations"]
PEER_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=8589934592",
}
NAME = re.compile(r"(?P<work>.+)/cpu/(?P<precision>\w+)/(?P<shape>[\w.]+)/threads:(?P<threads>\d+)")


# --- PyTorch -----------------------------------------------------------------------------------------------------------


def torch_networks():
    """The same networks as plain PyTorch would have them. Imported late: only workers need PyTorch."""
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
            self.conv2 = SuperImage(outputs, frames) if frames else nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            same = stride == 1 and inputs == outputs
            self.downsample = (
                nn.Identity() if same
                else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)))

        def forward(self, x):
            y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
            return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x), inplace=True)

    class ResNet18(nn.Module):
        """Over frames [B T, 3, H, W]; `frames` is T for super images, 0 for none."""

        def __init__(self, clip, frames):
            super().__init__()
            self.clip = clip
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
            return self.fc(self.dropout(features.view(-1, self.clip, 512).mean(1)))

    def branch(joints, width):
        return nn.Sequential(nn.Conv2d(joints, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                             nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True))

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

    class TwoStreamLstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.emotions = nn.LSTM(512, 1024, batch_first=True), nn.LSTM(7, 512, batch_first=True)
            self.fc1, self.fc2 = nn.Linear(1024, 7), nn.Linear(512, 7)
            self.register_buffer("seen", torch.randn(8, 16, 7))

        def forward(self, x):
            return self.fc1(self.features(x)[1][0][-1]) + self.fc2(self.emotions(self.seen)[1][0][-1])

    class Lstm(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(512, 128, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    return SuperImage, ResNet18, Accm, TwoStreamLstm, Lstm


def torch_work(work, shape):
    """(network, input) for a name of ours, or None where there is no such thing."""
    import torch

    super_image, resnet, accm, two_stream, lstm = torch_networks()
    kind = work.split("/")[0]
    size = [int(part) for part in shape.split("x")]
    frames = lambda s: torch.randn(s[0] * s[1], s[4], s[2], s[3])
    if kind == "super_image_convolution":
        return super_image(size[4], size[1]), frames(size)
    if kind == "per_frame_convolution":
        return torch.nn.Conv2d(size[4], size[4], 3, padding=1, bias=False), frames(size)
    if kind in ("sistcm_resnet18", "resnet18"):
        return resnet(size[1], size[1] if kind == "sistcm_resnet18" else 0), frames(size)
    if kind == "accm":
        return accm(), torch.randn(size[0], size[3], size[1], size[2])
    if kind == "channel_wise_convolution":
        channels = size[3]
        return (torch.nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
                torch.randn(size[0], channels, size[1], size[2]))
    if kind == "two_stream_lstm":
        return two_stream(), torch.randn(*size)
    if kind == "lstm":
        return lstm(), torch.randn(*size)
    return None


def torch_variants(network, x, work):
    """What PyTorch may be tried with: name -> a function that does the work once."""
    import torch
    from torch.nn import functional

    variants = {}
    layouts = {"eager": None}
    if x.dim() == 4:
        layouts = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
    step = work.split("/")[1]
    whole_model = work.split("/")[0] in ("sistcm_resnet18", "resnet18", "accm", "two_stream_lstm")
    for name, layout in layouts.items():
        net = network.to(memory_format=layout) if x.dim() == 4 else network
        data = x.to(memory_format=layout) if x.dim() == 4 else x
        if step in ("forward", "inference"):
            net.eval()

            def infer(net=net, data=data):
                with torch.inference_mode():
                    net(data)

            variants[name] = infer
            if whole_model and x.dim() == 4:
                with torch.no_grad():
                    graph = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, data)))

                def infer_frozen(graph=graph, data=data):
                    with torch.inference_mode():
                        graph(data)

                variants[name + ", frozen"] = infer_frozen
            continue
        net.train()
        if whole_model:
            optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)

            def train(net=net, data=data, optimiser=optimiser):
                optimiser.zero_grad()
                y = net(data)
                functional.cross_entropy(y, torch.ones(y.shape[0], dtype=torch.long)).backward()
                optimiser.step()
        else:
            leaf = data.detach().requires_grad_()

            def train(net=net, leaf=leaf):
                leaf.grad = None
                net.zero_grad()
                y = net(leaf)
                y.backward(torch.ones_like(y))

        variants[name] = train
    return variants


def torch_worker(work, shape, threads, seconds):
    """Times one work in this process and prints a line of JSON."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    made = torch_work(work, shape)
    if made is None:
        print(json.dumps(None))
        return
    best = None
    for name, run in torch_variants(*made, work).items():
        for _ in range(3):
            run()
        times, end = [], time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
        median = 1e3 * statistics.median(times)
        if best is None or median < best["ms"]:
            best = {"ms": median, "variant": name}
    best["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(best))


# --- both sides --------------------------------------------------------------------------------------------------------


def listed(program):
    lines = subprocess.run([program, "--benchmark_list_tests"], capture_output=True, text=True, check=True).stdout
    return [re.sub(r"/real_time$", "", line) for line in lines.split("\n") if NAME.match(line)]


def run_ours(program, name, seconds):
    """(median milliseconds, peak MiB) of one benchmark in a process of its own."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            [program, f"--benchmark_filter=^{re.escape(name)}(/real_time)?$", f"--benchmark_min_time={seconds}",
             "--benchmark_format=json"], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"compare.py: {program} failed on {name} with code {process.returncode}")
        out.seek(0)
        return json.load(out)["benchmarks"][0]["real_time"], usage.ru_maxrss / 1024


def run_torch(work, shape, threads, seconds):
    command = [sys.executable, __file__, "--worker", work, "--shape", shape, "--threads", str(threads), "--seconds",
               str(seconds)]
    environment = {**os.environ, **PEER_ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    out = subprocess.run(command, capture_output=True, text=True, env=environment)
    if out.returncode != 0:
        sys.exit(f"compare.py: PyTorch failed on {work} {shape}:\n{out.stderr}")
    return json.loads(out.stdout)


def compare(program, name, rounds, seconds, has_torch):
    """One row: medians over rounds in which both sides take turns."""
    parts = NAME.match(name).groupdict()
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run_ours(program, name, seconds))
        if has_torch and not parts["work"].startswith(("peak", "interleaved", "two_super_images")):
            theirs.append(run_torch(parts["work"], parts["shape"], int(parts["threads"]), seconds))
    row = {"work": parts["work"], "shape": parts["shape"], "precision": parts["precision"],
           "threads": int(parts["threads"]), "mien_ms": statistics.median(ms for ms, _ in ours),
           "mien_peak_mib": statistics.median(mib for _, mib in ours)}
    theirs = [one for one in theirs if one]
    if theirs:
        row["peer"] = "PyTorch, " + theirs[0]["variant"]
        row["peer_ms"] = statistics.median(one["ms"] for one in theirs)
        row["peer_peak_mib"] = statistics.median(one["peak_mib"] for one in theirs)
        row["ratio"] = row["peer_ms"] / row["mien_ms"]
    return row


def table_line(row):
    peer = "| | | |"
    if "peer" in row:
        peer = f"| {row['peer_ms']:.2f} | {row['ratio']:.2f} | {row['peer']} |"
    return (f"| {row['work']} | {row['shape']} | {row['threads']} | {row['mien_ms']:.2f} {peer} "
            f"{row['mien_peak_mib']:.0f} | {row.get('peer_peak_mib', 0):.0f} |")


def main():
    parser = argparse.ArgumentParser(description="mien's benchmarks beside the same work in other libraries")
    parser.add_argument("--build", default="build/release", help="CMake's build folder (default: build/release)")
    parser.add_argument("--only", default="", help="a regular expression that names have to contain")
    parser.add_argument("--list", action="store_true", help="prints what would be run")
    parser.add_argument("--json", metavar="FILE", help="writes a row a measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default: 3)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of measuring in a turn (default: 0.5)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--shape", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return torch_worker(options.worker, options.shape, options.threads, options.seconds)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")

    wanted = []
    for program in PROGRAMS:
        path = os.path.join(options.build, "bench", program)
        if not os.path.exists(path):
            parser.error(f"{path} is not there: build the benchmarks first (cmake --preset release && "
                         "cmake --build build/release)")
        wanted += [(path, name) for name in listed(path) if re.search(options.only, name)]
    if not wanted:
        parser.error(f"--only {options.only}: no benchmark has such a name")
    if options.list:
        print("\n".join(name for _, name in wanted))
        return None

    has_torch = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode == 0
    if not has_torch:
        print("PyTorch is not installed: mien's figures alone (Debian: python3-torch)", file=sys.stderr)
    rows = []
    print("| work | shape | threads | mien, ms | peer, ms | ratio | peer | mien, MiB | peer, MiB |\n"
          "|---|---|---|---|---|---|---|---|---|")
    for path, name in wanted:
        rows.append(compare(path, name, options.rounds, options.seconds, has_torch))
        print(table_line(rows[-1]), flush=True)
    if options.json:
        with open(options.json + ".part", "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
        os.replace(options.json + ".part", options.json)
    return None


if __name__ == "__main__":
    sys.exit(main())
