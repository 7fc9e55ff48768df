with open("file", "w+") as file:
    file.write("one\ntwo\nthree\n")
    place = file.tell()
    file.write("four\n")
    file.seek(0)
    assert file.readline() == "one\n"
    file.seek(place)
    file.write("FOUR")
    file.seek(0)
    assert file.read().endswith("FOUR\n")
    file.seek(4)
    file.truncate()
