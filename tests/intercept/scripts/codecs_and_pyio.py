import _pyio
import codecs

with codecs.open("codecs", "w", "utf-8") as file:
    file.write("one é")
    file.write("two")
with _pyio.open("pure", "wb") as file:
    file.write(b"x" * 10_000)
