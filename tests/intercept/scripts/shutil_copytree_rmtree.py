# One entry a directory: real listings come in any order, simulated ones are sorted.
import os
import shutil

os.makedirs("tree/a/b")
with open("tree/a/b/file", "w") as file:
    file.write("content" * 100)
os.makedirs("linked/a")
os.symlink("../elsewhere", "linked/a/link")
shutil.copytree("tree", "copied")
shutil.copytree("linked", "copied_links", symlinks=True)
shutil.rmtree("tree")
shutil.move("copied", "moved")
shutil.rmtree("copied_links", ignore_errors=True)
