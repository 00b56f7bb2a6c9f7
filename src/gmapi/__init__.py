"""GMapiServer: a media URL goes in, a converted file's URL comes out."""

__version__ = "0.1.0"
