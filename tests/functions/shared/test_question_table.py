"""Questions written down, read and changed."""

from functions.shared.question import Answer, Reception, answer
from functions.shared.question_table import QuestionTable
from tests.functions.question_items import REF, any_act, any_question


def test_a_question_is_read_as_it_was_asked(questions: QuestionTable) -> None:
    question = any_question()

    questions.ask(question)

    assert questions.read(REF) == question
    assert questions.of_job("job-1") == [question]


def test_an_answer_is_kept(questions: QuestionTable) -> None:
    questions.ask(any_question())

    changed, reception = questions.change(
        REF, lambda question: answer(question, "p1", Answer.APPROVE, any_act())
    )

    assert reception is Reception.ACCEPTED
    assert questions.read(REF) == changed
