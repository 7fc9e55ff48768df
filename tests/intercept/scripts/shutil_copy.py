import shutil

with open("source", "wb") as file:
    file.write(b"data" * 30_000)
shutil.copy("source", "copy")
shutil.copy2("source", "copy2")
shutil.copyfile("source", "copy")
with open("source", "rb") as source, open("third", "wb") as target:
    shutil.copyfileobj(source, target)
