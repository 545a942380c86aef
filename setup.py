"""Which files the package has; all else stands in pyproject.toml.

The data that pages plot lie in book/data, once, and travel as nonlocal_tut/data.
"""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["nonlocal_tut*"]), "nonlocal_tut.data"],
    package_dir={"nonlocal_tut.data": "book/data"},
    package_data={
        "": ["*.css", "*.js", "*.html", "py.typed"],
        "nonlocal_tut.data": ["*.json"],
        "nonlocal_tut.words": ["*.json"],
    },
)
