with open("file", "x") as file:
    file.write("one")
try:
    open("file", "x")
except FileExistsError:
    pass
with open("file", "w"):
    pass
with open("file", "w"):
    pass
