"""The image address in a task's data -> a local file, for every kind of address that Label Studio supports.

Known: PapLoop's own image addresses, files below the allowed folders, uploads and local files of Label Studio, storage
URIs (fetched through Label Studio), HTTP(S) on allow-listed hosts, and `data:` URIs. Everything else is refused in a
sentence. Fetched files are kept in a cache and never asked for again.
"""
