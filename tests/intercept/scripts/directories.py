import os

os.makedirs("a/b/c")
os.makedirs("a/b/c", exist_ok=True)
os.makedirs("a/b/d/e", exist_ok=True)
os.removedirs("a/b/d/e")
with open("a/file", "w") as file:
    file.write("x")
os.renames("a/file", "new/place/file")
os.chdir("new")
with open("here", "w") as file:
    file.write("y")
os.rename("here", "../there")
os.chdir("..")
os.mkdir("empty")
os.rename("empty", "a/b/c")
