import dbm.dumb
import shelve

with dbm.dumb.open("database", "c") as database:
    database["one"] = b"1" * 700
    database["two"] = b"2"
    database["one"] = b"1" * 100
    del database["two"]
with shelve.Shelf(dbm.dumb.open("shelf", "n")) as shelf:
    shelf["key"] = list(range(10))
