"""PyTorch's side of `bench -- data-parallel`."""
import sys, time

import torch
from torch import nn

from torch_runs import serve

MODEL, WORKERS, THREADS, BATCH, STEPS = sys.argv[1], *map(int, sys.argv[2:6])
RATE = 0.1


def network():
    if MODEL == "mlp":
        return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )


def train(rank, model, xs, ys):
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    lossf = nn.CrossEntropyLoss()
    share = BATCH // WORKERS

    def run():
        seconds = []
        last = time.perf_counter()
        for step in range(STEPS):
            x, y = xs[step * share:(step + 1) * share], ys[step * share:(step + 1) * share]
            optimizer.zero_grad()
            out = model(x)
            loss = lossf(out, y)
            loss.backward()
            optimizer.step()
            # Loss and accuracy are read at every step, as ours are.
            loss.item()
            (out.argmax(1) == y).float().mean().item()
            now = time.perf_counter()
            seconds.append(now - last)
            last = now
        return seconds

    return run


def setup(rank):
    shape = (784,) if MODEL == "mlp" else (1, 28, 28)
    count = BATCH // WORKERS * STEPS
    xs, ys = torch.rand(count, *shape), torch.randint(0, 10, (count,))
    model = network()
    return train(rank, nn.parallel.DistributedDataParallel(model) if WORKERS > 1 else model, xs, ys)


if __name__ == "__main__":
    serve(WORKERS, THREADS, setup)
