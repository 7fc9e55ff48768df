with open("file", "w") as one, open("file", "r+") as two:
    one.write("first")
    one.flush()
    two.write("2nd")
    two.flush()
    one.write(" more")
