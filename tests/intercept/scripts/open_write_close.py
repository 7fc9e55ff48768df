with open("file", "w") as file:
    file.write("hello")
