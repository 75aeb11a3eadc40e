"""Set-up. Takes from a wheel only what the engine needs: unpack.py FOLDER WHEEL PREFIX..."""

import os
import shutil
import sys
import zipfile


def unpack(folder, wheel, *prefixes):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or not entry.filename.startswith(prefixes):
                continue
            target = os.path.join(folder, *entry.filename.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(entry) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            if (entry.external_attr >> 16) & 0o111:
                os.chmod(target, 0o755)


unpack(*sys.argv[1:])
