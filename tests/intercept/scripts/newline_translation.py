with open("dos", "w", newline="\r\n") as file:
    file.write("one\ntwo\n")
with open("unix", "w", newline="") as file:
    file.write("one\r\ntwo\n")
with open("latin", "w", encoding="latin-1", errors="replace") as file:
    file.write("é€")
with open("utf16", "w", encoding="utf-16") as file:
    file.write("one")
    file.write("two")
with open("utf16", "a", encoding="utf-16") as file:
    file.write("three")
