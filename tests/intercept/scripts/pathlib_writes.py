import pathlib

path = pathlib.Path("directory")
path.mkdir()
(path / "text").write_text("hello\n" * 2000)
(path / "bytes").write_bytes(b"x" * 9000)
(path / "text").rename(path / "renamed")
(path / "renamed").replace(path / "bytes")
(path / "touched").touch()
(path / "touched").unlink()
(path / "missing").unlink(missing_ok=True)
(path / "link").symlink_to("bytes")
(path / "hard").hardlink_to(path / "bytes")
assert (path / "link").read_text().startswith("hello")
