"""In the real kernel: trains, is interrupted as JupyterLab's stop button does, and trains again. Prints what it saw as JSON."""
import json
import os
import sys
import time

from jupyter_client.manager import start_new_kernel


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as stat:
            return stat.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def workers(kernel):
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat') as stat:
                if int(stat.read().rsplit(')', 1)[1].split()[1]) == kernel:
                    found.append(int(pid))
        except OSError:
            pass
    return found


def run(client, code, interrupt=None):
    message, printed, reply = client.execute(code), '', None
    deadline = time.monotonic() + 40
    while reply is None and time.monotonic() < deadline:
        try:
            news = client.get_iopub_msg(timeout=0.1)
            if news['msg_type'] == 'stream':
                printed += news['content']['text']
                if interrupt and 'epoch' in printed:
                    interrupt()
                    interrupt = None
        except Exception:
            pass
        try:
            answer = client.get_shell_msg(timeout=0.05)
            if answer['parent_header'].get('msg_id') == message:
                reply = answer['content']['status']
        except Exception:
            pass
    # tslab runs nothing for 200 ms after a failed cell; what is still on its way is heard meanwhile.
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        try:
            news = client.get_iopub_msg(timeout=0.1)
            if news['msg_type'] == 'stream':
                printed += news['content']['text']
        except Exception:
            pass
    return reply, printed


manager, client = start_new_kernel(kernel_name='many-hands', cwd=sys.argv[1])
try:
    setup = "import {train, mlp, mnist} from 'many-hands/course'; const model = mlp({units: [64]}); const digits = mnist({train: 2000, flat: true}).train;"
    first = run(client, setup)
    kernel = manager.provisioner.pid
    endless = "await train(model, digits, {epochs: 100000, verbose: 0, callbacks: {onEpochEnd: (epoch) => console.log('epoch', epoch)}});"
    interrupted = run(client, endless, manager.interrupt_kernel)
    again = run(client, "const {history} = await train(model, digits, {verbose: 0}); console.log('trained', history.epoch.length);")
    before = workers(kernel)
finally:
    manager.shutdown_kernel(now=True)
time.sleep(1)
print(json.dumps({'first': first[0], 'interrupted': interrupted[0], 'again': again, 'workers': len(before), 'left': [pid for pid in before if alive(pid)]}))
