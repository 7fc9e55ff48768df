import zipfile

fixed = zipfile.ZipInfo("member", (2020, 1, 1, 0, 0, 0))
with zipfile.ZipFile("file.zip", "w") as archive:
    archive.writestr(fixed, b"content" * 1000)
fixed = zipfile.ZipInfo("second", (2020, 1, 1, 0, 0, 0))
with zipfile.ZipFile("file.zip", "a", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr(fixed, b"content" * 1000)
