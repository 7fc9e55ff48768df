for text in ("one", "two", "three"):
    with open("log", "a") as file:
        file.write(text + "\n")
with open("log", "ab+") as file:
    file.seek(0)
    assert file.read(3) == b"one"
    file.write(b"four\n")
