"""Captions in several languages, of the kind that is written under pictures of pathology.

None of them was used to choose the threshold of the filter.
"""

from __future__ import annotations

ENGLISH = """
Adenoid cystic carcinoma with cribriform pattern.
Perineural invasion by a prostatic adenocarcinoma.
Acute appendicitis with transmural neutrophils.
Caseating granuloma in a lung biopsy.
Psammoma bodies in a meningioma.
Owl eye inclusions of cytomegalovirus.
Schwannoma, Antoni A and Antoni B areas.
Reed-Sternberg cell, classical Hodgkin lymphoma.
Ductal carcinoma in situ, comedo necrosis.
Lung, squamous cell carcinoma, keratinizing.
Crypt abscess in ulcerative colitis.
Low power view of a hamartoma.
Villous adenoma with high grade dysplasia.
Kidney biopsy, membranous nephropathy, PAS stain.
Immunohistochemistry for HER2 is 3+.
Rhabdomyosarcoma, embryonal, desmin positive.
Cervical smear with koilocytes.
Basal cell carcinoma showing peripheral palisading.
Placenta with chorioamnionitis.
Amyloid deposits in the liver, Congo red.
Liposarcoma, well differentiated, lipoblasts.
Neuroendocrine tumour, salt and pepper chromatin.
Bone marrow aspirate with blasts.
Skin, dermal nevus, benign.
Malignant mesothelioma, epithelioid type.
Solid growth of large atypical cells without gland formation.
This is a nice case of nodular fasciitis in the forearm.
Mucinous cystadenoma of the ovary.
Hepatitis with ground glass hepatocytes.
Carcinoid tumour, trabecular and insular.
""".strip().splitlines()

OTHERS = """
Adenoidzystisches Karzinom der Speicheldrüse.
Akute Appendizitis mit eitriger Entzündung.
Verkäsendes Granulom in der Lunge.
Basalzellkarzinom der Haut mit Palisadenstellung.
Niere mit membranöser Glomerulonephritis.
Carcinome épidermoïde du poumon, bien différencié.
Appendicite aiguë avec infiltrat de polynucléaires.
Granulome avec nécrose caséeuse dans le poumon.
Adénome villeux avec dysplasie de haut grade.
Biopsie rénale, glomérulonéphrite extramembraneuse.
Carcinoma basocelular de la piel.
Apendicitis aguda con neutrófilos en la pared.
Granuloma caseificante en el pulmón.
Adenoma velloso con displasia de alto grado.
Biopsia renal con depósitos de amiloide.
Carcinoma basocellulare della cute.
Appendicite acuta flemmonosa con neutrofili.
Granuloma caseoso nel polmone di un giovane.
Adenoma villoso con displasia di alto grado.
Carcinoma basocelular da pele com ulceração.
Apendicite aguda com infiltrado neutrofílico.
Granuloma caseoso no pulmão de um jovem.
Basaalcelcarcinoom van de huid.
Acute appendicitis met veel neutrofielen.
Akciğer biyopsisinde kazeifiye granülom.
Ostre zapalenie wyrostka robaczkowego.
Rak podstawnokomórkowy skóry twarzy.
Острый аппендицит с гнойным воспалением.
Базальноклеточный рак кожи лица.
Akut blindtarmsinflammation med neutrofiler.
肺扁平上皮癌、角化を伴う。
皮肤基底细胞癌，周边呈栅栏状排列。
피부 기저세포암종의 현미경 소견.
التهاب الزائدة الدودية الحاد.
""".strip().splitlines()
