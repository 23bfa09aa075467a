#!/usr/bin/env python3
"""What training on many GPUs can gain at best, by the model of docs/distributed.md: prints its table.

    bench/scaling_model.py                                   the table
    bench/scaling_model.py --gigabytes 1.25 --batch 8        another network of machines, another batch a GPU
"""

import argparse
import math

# Numbers in each network's parameters, and multiplications of a sample's forward pass, in millions: ResNet-18 with 1000
# classes at 224 x 224; SISTCM-ResNet18 with 7 classes for a clip of 8 frames of 112 x 112, super images
# and the weights of their views included.
NETWORKS = {
    "ResNet-18": (11.690, 1814),
    "SISTCM-ResNet18": (13.969, 8 * 524),
}


def exposed_seconds(ranks, bytes_, bucket, bandwidth, latency, backward):
    """The part of the sums' time that the backward pass does not hide, and all of their time."""
    if ranks == 1:
        return 0.0, 0.0
    buckets = max(1, math.ceil(bytes_ / bucket))
    # A ring moves the least bytes, a tree takes the fewest steps; libraries choose by size.
    steps = min(2 * (ranks - 1), 2 * math.ceil(math.log2(ranks)))
    time = 2 * (ranks - 1) / ranks * bytes_ / bandwidth + buckets * steps * latency
    # The last bucket begins when the backward pass ends; and before that pass, losses and samples are added up.
    last = time / buckets
    return steps * latency + max(last, time - backward * (1 - 1 / buckets)), time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=25.0, help="bandwidth of a GPU to the others, in GB/s")
    parser.add_argument("--microseconds", type=float, default=10.0, help="latency of a step")
    parser.add_argument("--teraflops", type=float, default=30.0, help="what a GPU sustains in training")
    parser.add_argument("--batch", type=int, default=32, help="samples a GPU in a step")
    parser.add_argument("--bucket", type=int, default=4 << 20, help="bytes")
    options = parser.parse_args()
    print("| network | GPUs | bytes a step | computing | sums | not hidden | efficiency |")
    print("|---|---|---|---|---|---|---|")
    for name, (parameters, multiplications) in NETWORKS.items():
        # Two operations a multiplication; the backward pass takes twice the forward pass.
        compute = 3 * 2 * multiplications * 1e6 * options.batch / (options.teraflops * 1e12)
        size = 4 * parameters * 1e6
        for ranks in (1, 2, 4, 8, 16, 64, 256, 1024):
            exposed, time = exposed_seconds(ranks, size, options.bucket, options.gigabytes * 1e9,
                                            options.microseconds * 1e-6, compute * 2 / 3)
            sent = 2 * (ranks - 1) / ranks * size
            print(f"| {name} | {ranks:,} | {sent / 1e6:.1f} MB | {1e3 * compute:.1f} ms | {1e3 * time:.1f} ms "
                  f"| {1e3 * exposed:.2f} ms | {100 * compute / (compute + exposed):.1f} % |")


if __name__ == "__main__":
    main()
