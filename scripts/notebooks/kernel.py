"""Drives one Jupyter kernel for the TypeScript side: requests and events are JSON, one a line, on stdin and stdout.

Requests: start {kernel, folder}, execute {cell, code}, interrupt, shutdown, kill, validate {file}.
Events: started {pid}, output {cell, message, content}, reply {cell, content}, idle {cell}, died {status}, stopped,
valid, problem {message}. When stdin closes (our parent is gone, however it ended) the kernel is killed.
What to do about a slow, failed or aborted cell is decided on the other side.
"""

import asyncio
import json
import sys
import threading

import nbformat
from jupyter_client import AsyncKernelManager

OUTPUTS = ("stream", "display_data", "update_display_data", "execute_result", "error", "clear_output")


def say(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Driver:
    def __init__(self):
        self.manager = None
        self.client = None
        self.cells = {}  # message id -> cell, as the other side numbers them
        self.watchers = []
        self.ending = False

    async def start(self, kernel, folder):
        self.manager = AsyncKernelManager(kernel_name=kernel)
        # The kernel's own terminal: TensorFlow's log lines and the like. Ours is for events only.
        await self.manager.start_kernel(cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr)
        self.client = self.manager.client()
        self.client.start_channels()
        say("launched", pid=self.manager.provisioner.pid)
        await self.client.wait_for_ready(timeout=60)
        self.watchers = [asyncio.ensure_future(watch()) for watch in (self.outputs, self.replies, self.life)]
        say("started", pid=self.manager.provisioner.pid)

    async def execute(self, cell, code):
        # stop_on_error is what JupyterLab sends; tslab ignores it.
        self.cells[self.client.execute(code, allow_stdin=False, stop_on_error=True)] = cell

    async def outputs(self):
        while True:
            message = await self.client.get_iopub_msg()
            cell = self.cells.get(message["parent_header"].get("msg_id"))
            kind = message["msg_type"]
            if kind in OUTPUTS:
                say("output", cell=cell, message=kind, content=message["content"])
            elif kind == "status" and cell is not None and message["content"]["execution_state"] == "idle":
                say("idle", cell=cell)

    async def replies(self):
        while True:
            message = await self.client.get_shell_msg()
            cell = self.cells.get(message["parent_header"].get("msg_id"))
            if cell is not None and message["msg_type"] == "execute_reply":
                say("reply", cell=cell, content=message["content"])

    async def life(self):
        while await self.manager.is_alive():
            await asyncio.sleep(0.1)
        if not self.ending:
            say("died", status=await self.manager.provisioner.poll())

    async def interrupt(self):
        await self.manager.interrupt_kernel()

    async def shutdown(self, now=False):
        self.ending = True
        if self.manager is not None:
            for watcher in self.watchers:
                watcher.cancel()
            await self.manager.shutdown_kernel(now=now)
            if self.client is not None:
                self.client.stop_channels()
            self.manager = None

    async def validate(self, file):
        try:
            nbformat.validate(nbformat.read(file, as_version=nbformat.NO_CONVERT))
            say("valid")
        except Exception as error:
            say("problem", message=str(error).split("\n\n")[0])


async def main():
    requests = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(requests.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(requests.put_nowait, {"request": "gone"})

    threading.Thread(target=read, daemon=True).start()
    driver = Driver()
    tasks = set()

    async def answer(kind, request):
        try:
            if kind in ("shutdown", "kill"):
                await driver.shutdown(now=kind == "kill")
                say("stopped")
            else:
                await getattr(driver, kind)(**request)
        except Exception as error:
            say("problem", message=f"{type(error).__name__}: {error}")

    try:
        while True:
            request = await requests.get()
            kind = request.pop("request")
            if kind == "gone":
                return
            # Not awaited here: "gone" must be heard while a kernel starts, or hangs.
            task = asyncio.ensure_future(answer(kind, request))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in list(tasks):
            task.cancel()
        await driver.shutdown(now=True)


asyncio.run(main())
