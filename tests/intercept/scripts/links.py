import os

with open("file", "w") as file:
    file.write("one")
os.link("file", "second")
with open("second", "a") as file:
    file.write("two")
os.unlink("file")
os.symlink("second", "soft")
with open("soft", "w") as file:
    file.write("through the link")
os.remove("soft")
