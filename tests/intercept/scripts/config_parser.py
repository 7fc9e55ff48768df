import configparser

parser = configparser.ConfigParser()
parser["section"] = {"option": "value", "other": "1"}
with open("settings.ini", "w") as file:
    parser.write(file)
