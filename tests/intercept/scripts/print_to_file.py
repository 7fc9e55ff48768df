with open("file", "w") as file:
    print("one", 2, sep=",", file=file)
    print("flushed", file=file, flush=True)
    print("three", file=file)
