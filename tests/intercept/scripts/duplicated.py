import os

descriptor = os.open("file", os.O_WRONLY | os.O_CREAT)
second = os.dup(descriptor)
os.write(descriptor, b"one")
os.write(second, b"two")
os.close(descriptor)
os.write(second, b"three")
os.close(second)
