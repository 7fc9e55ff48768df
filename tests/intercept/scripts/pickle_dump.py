import pickle

with open("data.pickle", "wb") as file:
    pickle.dump({"key": list(range(5000)), "big": b"x" * 200_000}, file)
