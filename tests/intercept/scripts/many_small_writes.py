with open("file", "w") as file:
    for number in range(5000):
        file.write(f"line {number}\n")
