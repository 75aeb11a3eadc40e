"""PyTorch's side of `bench -- pipeline`: torch.distributed.pipelining over gloo, and with one worker the same micro-batches in one process."""
import sys, time

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.nn import functional as F

from torch_runs import serve

MODEL, SCHEDULE = sys.argv[1:3]
WORKERS, BATCH, MICRO, STEPS = map(int, sys.argv[3:7])
WIDTH, SEQUENCE, HIDDEN, HEADS, LAYERS, VOCABULARY = 1024, 64, 128, 4, 4, 96


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(HIDDEN, HIDDEN, bias=False) for _ in range(4))

    def forward(self, x):
        cut = lambda t: t.view(*t.shape[:2], HEADS, -1).transpose(1, 2)
        attended = F.scaled_dot_product_attention(cut(self.query(x)), cut(self.key(x)), cut(self.value(x)), is_causal=True)
        return self.output(attended.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2, self.attention = nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN), Attention()
        self.feed = nn.Sequential(nn.Linear(HIDDEN, 4 * HIDDEN), nn.ReLU(), nn.Linear(4 * HIDDEN, HIDDEN))

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed(self.norm_2(x))


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, HIDDEN), nn.Parameter(torch.zeros(SEQUENCE, HIDDEN))

    def forward(self, x):
        return self.tokens(x) + self.positions


def parts():
    """The model as a list of equal halves."""
    if MODEL == "mlp":
        layers = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(8)]
        return [nn.Sequential(*layers[:4]), nn.Sequential(*layers[4:])]
    head = nn.Sequential(nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, VOCABULARY, bias=False))
    blocks = [Block() for _ in range(LAYERS)]
    return [nn.Sequential(Embedding(), *blocks[: LAYERS // 2]), nn.Sequential(*blocks[LAYERS // 2:], head)]


def loss_of(out, target):
    return F.mse_loss(out, target) if MODEL == "mlp" else F.cross_entropy(out.flatten(0, 1), target.flatten())


def data():
    if MODEL == "mlp":
        return torch.rand(BATCH * STEPS, WIDTH), torch.rand(BATCH * STEPS, WIDTH)
    return tuple(torch.randint(0, VOCABULARY, (BATCH * STEPS, SEQUENCE)) for _ in range(2))


def between(samples):
    """What the first half hands to the second."""
    return torch.zeros(samples, WIDTH) if MODEL == "mlp" else torch.zeros(samples, SEQUENCE, HIDDEN)


def setup(rank):
    halves = parts()
    xs, ys = data()
    model = nn.Sequential(*halves) if WORKERS == 1 else halves[rank]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01) if MODEL == "mlp" else torch.optim.Adam(model.parameters())
    if WORKERS > 1:
        entering = xs[: BATCH // MICRO] if rank == 0 else between(BATCH // MICRO)
        leaving = between(BATCH // MICRO) if rank == 0 else model(between(BATCH // MICRO))
        stage = PipelineStage(model, rank, WORKERS, torch.device("cpu"), input_args=entering, output_args=leaving)
        # It sends an int64 where a float32 is received, to open NCCL's connections; gloo, which needs none of it, ends the process.
        stage._get_init_p2p_neighbors_ops = lambda: []
        schedule = {"gpipe": ScheduleGPipe, "1f1b": Schedule1F1B}[SCHEDULE](stage, n_microbatches=MICRO, loss_fn=loss_of)

    def alone(x, y):
        total = 0.0
        for part, target in zip(x.chunk(MICRO), y.chunk(MICRO)):
            loss = loss_of(model(part), target) / MICRO
            loss.backward()
            total += loss.item()

    def piped(x, y):
        losses = []
        if rank == 0:
            schedule.step(x)
        else:
            schedule.step(target=y, losses=losses)
        # Both know the loss of each step, as our ranks do.
        total = torch.stack([loss.detach() for loss in losses]).mean() if losses else torch.zeros(())
        dist.broadcast(total, WORKERS - 1)

    def run():
        seconds = []
        last = time.perf_counter()
        for step in range(STEPS):
            optimizer.zero_grad()
            (alone if WORKERS == 1 else piped)(xs[step * BATCH:(step + 1) * BATCH], ys[step * BATCH:(step + 1) * BATCH])
            optimizer.step()
            now = time.perf_counter()
            seconds.append(now - last)
            last = now
        return seconds

    return run


if __name__ == "__main__":
    serve(WORKERS, 1, setup)
