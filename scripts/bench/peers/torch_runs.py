"""What PyTorch's sides of the benches share: processes that stay warm, a run for each line on stdin, its step times as one JSON line on stdout."""
import json, os, sys, time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def worker(rank, workers, threads, setup, port, commands, answers):
    # gloo prints to stdout, which is ours for the step times.
    os.dup2(2, 1)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if workers > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        dist.init_process_group("gloo", rank=rank, world_size=workers)
    run = setup(rank)
    while commands.get() is not None:
        seconds = run()
        if rank == 0:
            answers.put(seconds)
    if workers > 1:
        dist.destroy_process_group()


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serve(workers, threads, setup):
    """`setup(rank)` returns what trains one run and returns the seconds of its steps."""
    context = mp.get_context("spawn")
    commands = [context.SimpleQueue() for _ in range(workers)]
    answers = context.SimpleQueue()
    port = free_port()
    processes = [context.Process(target=worker, args=(rank, workers, threads, setup, port, commands[rank], answers), daemon=True) for rank in range(workers)]
    for process in processes:
        process.start()
    for _ in sys.stdin:
        for queue in commands:
            queue.put("run")
        while answers.empty():
            if any(not process.is_alive() for process in processes):
                sys.exit("a worker of PyTorch's side ended before its run was over")
            time.sleep(0.005)
        print(json.dumps({"steps": answers.get()}), flush=True)
    for queue in commands:
        queue.put(None)
    for process in processes:
        process.join(10)
