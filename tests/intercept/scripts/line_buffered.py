with open("file", "w", buffering=1) as file:
    file.write("one\n")
    file.write("two ")
    file.write("three\nfour")
with open("file", "a", buffering=16) as file:
    for _ in range(10):
        file.write("0123456")
with open("file", "ab", buffering=16) as file:
    for _ in range(10):
        file.write(b"0123456")
