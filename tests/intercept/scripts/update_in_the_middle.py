with open("file", "wb") as file:
    file.write(bytes(range(256)) * 64)
with open("file", "r+b") as file:
    file.seek(5000)
    file.write(b"X" * 100)
    file.seek(10)
    assert file.read(3) == bytes([10, 11, 12])
    file.write(b"YZ")
