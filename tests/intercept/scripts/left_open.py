kept = open("kept", "w")
kept.write("flushed when the interpreter ends")


def local():
    file = open("local", "w")
    file.write("closed when the function returns")


local()
