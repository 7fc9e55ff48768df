import os

with open("source", "wb") as file:
    file.write(b"0123456789" * 2000)
source = os.open("source", os.O_RDONLY)
target = os.open("target", os.O_WRONLY | os.O_CREAT)
assert os.sendfile(target, source, 100, 5000) == 5000
assert os.sendfile(target, source, None, 7) == 7
os.close(source)
os.close(target)
