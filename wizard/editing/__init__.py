"""What an editor of a person's own text file needs: cuts, line endings, indentation, the diff, counts, and saving.

Nothing here knows what language a file is in. An editor finds the places, and this package cuts there, shows what
was cut, and replaces the file.
"""
