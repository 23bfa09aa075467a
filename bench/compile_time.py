#!/usr/bin/env python3
"""How long a user's file takes to compile that includes one model, constructs it and runs it; a table in Markdown.

    bench/compile_time.py                                every model, and all headers at once
    bench/compile_time.py --only accm --repeat 1 --flags=-ftime-report

The compiler is $CXX, or c++. Seconds are the processor's (user time), which other programs disturb less than a clock's;
a figure is the median of the repetitions, which take turns.
"""

import argparse
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FACE = ("mien::models::SistcmResNet18<float> model{mien::models::SistcmResNet18Options{}};",
        "model(mien::Variable<float>(mien::Tensor<float>({1, 8, 112, 112, 3}))).logits.value()")
FUSE = ("mien::models::FeatureFusion<float> model({.features = {512, 256}, .classes = 7});",
        "model({mien::Variable<float>(mien::Tensor<float>({1, 512})), std::nullopt}).logits.value()")
BODY = ("mien::models::Accm<float> model(mien::models::AccmOptions{});",
        "model(mien::Variable<float>(mien::Tensor<float>({1, 64, 64, 25}))).value()")
READ = ("mien::models::TwoStreamLstm<float> model{mien::models::TwoStreamLstmOptions{}};",
        "model(mien::Variable<float>(mien::Tensor<float>({1, 4, 512})),"
        " mien::Variable<float>(mien::Tensor<float>({1, 4, 7}))).e1.value()")
IMAGE = "model(mien::Variable<float>(mien::Tensor<float>({1, 48, 48, 3}))).value()"
JOINTS = ("mien::models::KeypointMlp<float> model(mien::models::KeypointMlpOptions{});",
          "model(mien::Variable<float>(mien::Tensor<float>({1, 95, 3}))).value()")
# A header of include/mien, and what is done with it.
FILES = {"models/accm.hpp": BODY,
         "models/densenet.hpp": ("mien::models::DenseNet<float> model(mien::models::small_densenet(7));", IMAGE),
         "models/expression_network.hpp": ("mien::models::ExpressionNetwork<float> model;",
                                           "model(mien::Variable<float>(mien::Tensor<float>({1, 112, 112, 3}))).value()"),
         "models/fusion.hpp": FUSE,
         "models/keypoint_mlp.hpp": JOINTS,
         "models/resnet.hpp": ("mien::models::ResNet18<float> model(mien::models::small_resnet(7));", IMAGE),
         "models/sistcm_resnet.hpp": FACE,
         "models/two_stream_lstm.hpp": READ,
         "models/vit.hpp": ("mien::models::VisionTransformer<float> model(mien::models::small_vit(7, 3));", IMAGE),
         "models/yunet.hpp": ("mien::models::YuNet<float> model;",
                              "model(mien::Variable<float>(mien::Tensor<float>({1, 320, 320, 3})))[0].value()"),
         "mien.hpp": FACE}
PARTS = {"models/class_activation_map.hpp", "models/stem.hpp", "models/valence_arousal.hpp"}  # of other models
SOURCE = """#include <mien/{header}>

int main() {{
  {model}
  return static_cast<int>({output}.data()[0]);
}}
"""


def user_seconds(command, folder):
    begin = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    out = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if out.returncode != 0:
        sys.exit(f"compile_time.py: {shlex.join(command)} failed:\n{out.stderr[:4000]}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begin, out.stderr


def eigen_flags():
    try:
        out = subprocess.run(["pkg-config", "--cflags", "eigen3"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ["-isystem", "/usr/include/eigen3"]
    return shlex.split(out.replace("-I", "-isystem "))


def unlisted():
    """Models that were added, and not yet here."""
    folder = os.path.join(ROOT, "include", "mien", "models")
    return [name for name in sorted(f"models/{file}" for file in os.listdir(folder))
            if name not in FILES and name not in PARTS]


def arguments():
    title, words = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(description=title, epilog=words, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="REGEX", default="", help="headers whose names contain this")
    parser.add_argument("--repeat", metavar="N", type=int, default=3, help="times each is compiled (default: 3)")
    parser.add_argument("--flags", default="", help="for the compiler, besides -std=c++20 -O2; what it prints is shown")
    options = parser.parse_args()
    if options.repeat < 1:
        parser.error("--repeat must be positive")
    try:
        wanted = [header for header in FILES if re.search(options.only, header)]
    except re.error as error:
        parser.error(f"--only {options.only}: {error}")
    if not wanted:
        parser.error(f"--only {options.only}: none of {', '.join(FILES)}")
    return options, wanted


def main():
    options, wanted = arguments()
    for header in unlisted():
        print(f"compile_time.py: nothing is known about include/mien/{header}", file=sys.stderr)
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    command = compiler + ["-std=c++20", "-O2", *shlex.split(options.flags), "-I", os.path.join(ROOT, "include"),
                          *eigen_flags(), "-c", "-o", "out.o"]
    seconds = {header: [] for header in wanted}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeat):
            for number, header in enumerate(wanted):
                with open(os.path.join(folder, f"{number}.cpp"), "w", encoding="utf-8") as file:
                    file.write(SOURCE.format(header=header, model=FILES[header][0], output=FILES[header][1]))
                taken, printed = user_seconds(command + [f"{number}.cpp"], folder)
                seconds[header].append(taken)
                if options.flags and printed:
                    print(f"{header}:\n{printed}", file=sys.stderr)
    version = subprocess.run(compiler + ["--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    print(f"| header | seconds, {version}, -O2 |\n|---|---|")
    for header in wanted:
        print(f"| {header} | {statistics.median(seconds[header]):.1f} |")


if __name__ == "__main__":
    main()
