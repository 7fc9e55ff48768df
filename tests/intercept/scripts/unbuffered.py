import io

with open("file", "wb", buffering=0) as file:
    file.write(b"one")
    file.write(b"two")
    file.writelines([b"three", b"four"])
raw = io.FileIO("file", "r+")
raw.seek(2)
raw.write(b"X")
raw.truncate(5)
raw.close()
