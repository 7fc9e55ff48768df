import os

file = open("file", "w")
file.write("before")
file.flush()
os.unlink("file")
file.write("after")
file.close()
with open("file", "w") as file:
    file.write("another")
