"""Classes that drawn tissue has."""

CLASSES = 'well: well differentiated adenocarcinoma\npoorly: poorly differentiated adenocarcinoma'
