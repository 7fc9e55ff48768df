with open("file", "wb") as file:
    file.write(b"a" * 3000)
    file.write(b"b" * 3000)
    file.write(b"c" * 100_000)
    file.write(b"d" * 10)
