import os

with open("source", "wb") as file:
    file.write(b"0123456789" * 1000)
source = os.open("source", os.O_RDONLY)
target = os.open("target", os.O_WRONLY | os.O_CREAT)
assert os.copy_file_range(source, target, 5000) == 5000
assert os.copy_file_range(source, target, 100, 0, 9000) == 100
assert os.copy_file_range(source, target, 100_000) == 5000
os.close(source)
os.close(target)
