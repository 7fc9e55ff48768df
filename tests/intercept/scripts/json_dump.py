import json

with open("data.json", "w") as file:
    json.dump({"key": list(range(2000)), "other": "é"}, file, indent=1, ensure_ascii=False)
