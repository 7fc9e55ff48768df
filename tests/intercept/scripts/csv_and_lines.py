import csv
import fileinput

with open("table.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerows([number, number**2, "text, quoted"] for number in range(500))
with fileinput.input("table.csv", inplace=True) as lines:
    for line in lines:
        print(line.upper(), end="")
