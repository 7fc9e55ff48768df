import os

descriptor = os.open("file", os.O_WRONLY | os.O_CREAT)
with open(descriptor, "w", closefd=False) as file:
    file.write("text")
os.write(descriptor, b"raw")
with os.fdopen(descriptor, "wb") as file:
    file.write(b"closing")
