"""gloo's side of `bench -- allreduce`: RANKS BYTES..., the seconds of each torch.distributed all_reduce on rank 0 as JSON."""
import json, os, socket, sys, time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

RANKS, SIZES = int(sys.argv[1]), [int(one) for one in sys.argv[2:]]


def calls_of(size):
    return max(7, min(500, round(2**27 / size)))


def verify(array, rank):
    pattern = torch.arange(array.numel()) % 1021
    array.copy_(pattern + rank)
    dist.all_reduce(array)
    assert torch.equal(array, (RANKS * pattern + RANKS * (RANKS - 1) // 2).to(torch.float32)), "gloo's sum is wrong"
    array.zero_()


def worker(rank, port, answers):
    # gloo prints to stdout, which is ours for the answer.
    os.dup2(2, 1)
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=RANKS)
    timed = []
    for size in SIZES:
        array = torch.zeros(size // 4)
        verify(array, rank)
        seconds = []
        for i in range(-2, calls_of(size)):
            start = time.perf_counter()
            dist.all_reduce(array)
            if i >= 0:
                seconds.append(time.perf_counter() - start)
        verify(array, rank)
        timed.append({"bytes": size, "seconds": seconds})
    if rank == 0:
        answers.put(json.dumps(timed))
    dist.destroy_process_group()


def main():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    context = mp.get_context("spawn")
    answers = context.SimpleQueue()
    processes = [context.Process(target=worker, args=(rank, port, answers), daemon=True) for rank in range(RANKS)]
    for process in processes:
        process.start()
    print(answers.get(), flush=True)
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
