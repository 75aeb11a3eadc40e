"""PyTorch's side of `bench -- data-parallel`: a run for each line on stdin, its step times as one JSON line on stdout."""
import json, os, sys, time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

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


def worker(rank, port, commands, answers):
    # gloo prints to stdout, which is ours for the step times.
    os.dup2(2, 1)
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    shape = (784,) if MODEL == "mlp" else (1, 28, 28)
    count = BATCH // WORKERS * STEPS
    xs, ys = torch.rand(count, *shape), torch.randint(0, 10, (count,))
    model = network()
    if WORKERS > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        dist.init_process_group("gloo", rank=rank, world_size=WORKERS)
        model = nn.parallel.DistributedDataParallel(model)
    run = train(rank, model, xs, ys)
    while commands.get() is not None:
        seconds = run()
        if rank == 0:
            answers.put(seconds)
    if WORKERS > 1:
        dist.destroy_process_group()


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    context = mp.get_context("spawn")
    commands = [context.SimpleQueue() for _ in range(WORKERS)]
    answers = context.SimpleQueue()
    port = free_port()
    processes = [context.Process(target=worker, args=(rank, port, commands[rank], answers), daemon=True) for rank in range(WORKERS)]
    for process in processes:
        process.start()
    for _ in sys.stdin:
        for queue in commands:
            queue.put("run")
        print(json.dumps({"steps": answers.get()}), flush=True)
    for queue in commands:
        queue.put(None)
    for process in processes:
        process.join(10)


if __name__ == "__main__":
    main()
