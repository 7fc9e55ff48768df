import os
import pickle
import uuid

name = f"state.{os.getpid()}.part"
with open(name, "wb", buffering=1 << 16) as file:
    pickler = pickle.Pickler(file, protocol=5)
    for number in range(2000):
        pickler.dump({"number": number})
    file.flush()
    os.fdatasync(file.fileno())
os.rename(name, "state")
assert uuid.uuid4() != uuid.uuid4()
